package strangers

import (
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/silenceper/wechat/v2/util"
	"github.com/silenceper/wechat/v2/work"
	"github.com/silenceper/wechat/v2/work/appchat"
	wecom "github.com/silenceper/wechat/v2/work/message"
)

func to(user string) *wecom.SendRequestCommon {
	return &wecom.SendRequestCommon{ToUser: user, AgentID: agentID}
}

// The SDK's own requests write agentid as text. WeCom's pages say it is an integer, so
// the sandbox takes text in a mode only.
func textAgentIDs(t *testing.T) {
	t.Helper()
	control(t, http.MethodPut, "settings", `{"text_agent_ids": true}`)
}

func hasCode(t *testing.T, err error, code int64) {
	t.Helper()
	var refused *util.CommonError
	if !errors.As(err, &refused) || refused.ErrCode != code {
		t.Fatalf("got %v, want errcode %d", err, code)
	}
}

func TestTextAgentIDIsRefusedByTheBook(t *testing.T) {
	_, err := fresh(t).GetMessage().SendText(wecom.SendTextRequest{
		SendRequestCommon: to("zhangsan"), Text: wecom.TextField{Content: "hi"},
	})
	hasCode(t, err, 40056)
}

func TestOwnRequests(t *testing.T) {
	client := fresh(t)
	textAgentIDs(t)
	sender := client.GetMessage()
	image, voice := upload(t, client, "image"), upload(t, client, "voice")
	for kind, send := range map[string]func() (*wecom.SendResponse, error){
		"text": func() (*wecom.SendResponse, error) {
			return sender.SendText(wecom.SendTextRequest{
				SendRequestCommon: to("zhangsan"), Text: wecom.TextField{Content: "午饭 & <b>"},
			})
		},
		"image": func() (*wecom.SendResponse, error) {
			return sender.SendImage(wecom.SendImageRequest{
				SendRequestCommon: to("zhangsan"), Image: wecom.ImageField{MediaID: image},
			})
		},
		"voice": func() (*wecom.SendResponse, error) {
			return sender.SendVoice(wecom.SendVoiceRequest{
				SendRequestCommon: to("zhangsan"), Voice: wecom.VoiceField{MediaID: voice},
			})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			answer, err := send()
			must(t, err)
			content := map[string]map[string]any{
				"text":  {"content": "午饭 & <b>"},
				"image": {"media_id": image},
				"voice": {"media_id": voice},
			}[kind]
			equal(t, answer.MsgID, lastMessage(t, "zhangsan", kind, content).MsgID)
		})
	}
}

func TestPartialFailure(t *testing.T) {
	client := fresh(t)
	textAgentIDs(t)
	request := to("zhangsan|Nobody")
	request.ToParty = "5|77"
	answer, err := client.GetMessage().SendText(wecom.SendTextRequest{
		SendRequestCommon: request, Text: wecom.TextField{Content: "hi"},
	})
	must(t, err)
	equal(t, []string{answer.InvalidUser, answer.InvalidParty, answer.UnlicensedUser},
		[]string{"nobody", "77", "zhoujiu"})
}

// contents are those of the types that only the SDK's general Send takes.
func contents(t *testing.T, client *work.Work) map[string]map[string]any {
	t.Helper()
	return map[string]map[string]any{
		"video": {"media_id": upload(t, client, "video"), "title": "演示", "description": "一分钟"},
		"file":  {"media_id": upload(t, client, "file")},
		"textcard": {
			"title": "体检通知", "description": "周三", "url": "https://oa.example.com/health",
			"btntxt": "预约",
		},
		"news": {"articles": []map[string]any{
			{"title": "月报", "url": "https://oa.example.com/7"},
		}},
		"mpnews": {"articles": []map[string]any{{
			"title": "搬家", "thumb_media_id": upload(t, client, "image"), "content": "<p>七楼</p>",
		}}},
		"markdown": {"content": "**会议室** 301"},
	}
}

func TestGeneralSend(t *testing.T) {
	client := fresh(t)
	agentID, err := strconv.Atoi(agentID)
	must(t, err)
	all := contents(t, client)
	all["miniprogram_notice"] = map[string]any{
		"appid": "wx5a9db0c5a9db0c5a", "title": "会议室预订成功",
		"content_item": []map[string]any{{"key": "会议室", "value": "301"}},
	}
	all["taskcard"] = map[string]any{
		"title": "请假审批", "description": "李四，两天", "task_id": "leave-1",
		"btn": []map[string]any{{"key": "yes", "name": "同意"}},
	}
	all["template_card"] = map[string]any{
		"card_type": "button_interaction", "task_id": "release-1",
		"main_title":  map[string]any{"title": "发布"},
		"button_list": []map[string]any{{"text": "同意", "key": "yes"}},
	}
	for kind, content := range all {
		t.Run(kind, func(t *testing.T) {
			answer, err := client.GetMessage().Send("Send", map[string]any{
				"touser": "zhangsan", "agentid": agentID, "msgtype": kind, kind: content,
			})
			must(t, err)
			equal(t, answer.MsgID, lastMessage(t, "zhangsan", kind, content).MsgID)
			equal(t, answer.ResponseCode != "", kind == "template_card")
		})
	}
}

// The SDK sends to chats and cannot make one: the chat is made beside it.
func TestAppChat(t *testing.T) {
	client := fresh(t)
	token, err := client.GetContext().GetAccessToken()
	must(t, err)
	_, err = util.PostJSON(wecomURL+"/cgi-bin/appchat/create?access_token="+token, map[string]any{
		"chatid": "lunch1", "name": "午饭", "userlist": []string{"zhangsan", "lisi"},
	})
	must(t, err)
	chat := client.GetAppChat()
	common := &appchat.SendRequestCommon{ChatID: "lunch1"}
	_, err = chat.SendText(appchat.SendTextRequest{
		SendRequestCommon: common, Text: appchat.TextField{Content: "十二点"},
	})
	must(t, err)
	equal(t, lastMessage(t, "lisi", "text", map[string]any{"content": "十二点"}).ChatID, "lunch1")
	image, voice := upload(t, client, "image"), upload(t, client, "voice")
	_, err = chat.SendImage(appchat.SendImageRequest{
		SendRequestCommon: common, Image: appchat.ImageField{MediaID: image},
	})
	must(t, err)
	lastMessage(t, "lisi", "image", map[string]any{"media_id": image})
	_, err = chat.SendVoice(appchat.SendVoiceRequest{
		SendRequestCommon: common, Voice: appchat.VoiceField{MediaID: voice},
	})
	must(t, err)
	lastMessage(t, "lisi", "voice", map[string]any{"media_id": voice})
	for kind, content := range contents(t, client) {
		t.Run(kind, func(t *testing.T) {
			_, err := chat.Send("Send", map[string]any{
				"chatid": "lunch1", "msgtype": kind, kind: content,
			})
			must(t, err)
			lastMessage(t, "lisi", kind, content)
		})
	}
}

// The SDK keeps its token for as long as it was told and renews none that ended early.
func TestAKilledTokenStays(t *testing.T) {
	client := fresh(t)
	list := client.GetAddressList()
	_, err := list.UserGet("zhangsan")
	must(t, err)
	control(t, http.MethodPost, "tokens/kill", "")
	for range []int{1, 2} {
		_, err = list.UserGet("zhangsan")
		hasCode(t, err, 40014)
	}
	var calls []struct{}
	witness(t, "calls?path=gettoken", &calls)
	equal(t, len(calls), 1)
}
