// Package strangers runs github.com/silenceper/wechat, unmodified, against the sandbox.
package strangers

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/util"
	"github.com/silenceper/wechat/v2/work"
	"github.com/silenceper/wechat/v2/work/config"
)

const wecomURL = "https://qyapi.weixin.qq.com"

var (
	sandboxURL = os.Getenv("SANDBOX_URL")
	corpID     = os.Getenv("SANDBOX_CORP_ID")
	agentID    = os.Getenv("SANDBOX_AGENT_ID")
)

// The address is a setting of the SDK, one for the whole program.
func TestMain(m *testing.M) {
	util.SetURIModifier(func(uri string) string {
		return strings.Replace(uri, wecomURL, sandboxURL, 1)
	})
	os.Exit(m.Run())
}

// fresh is a client of the first demo app in a sandbox as new.
func fresh(t *testing.T) *work.Work {
	t.Helper()
	control(t, http.MethodPost, "reset", "")
	return client("SANDBOX_SECRET")
}

func client(secret string) *work.Work {
	return work.NewWork(&config.Config{
		CorpID:     corpID,
		CorpSecret: os.Getenv(secret),
		AgentID:    agentID,
		Cache:      cache.NewMemory(),
	})
}

func control(t *testing.T, method, path, body string) {
	t.Helper()
	request, err := http.NewRequest(method, sandboxURL+"/sandbox/"+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	response, err := http.Get(sandboxURL + "/sandbox/" + path)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return body
}

func witness(t *testing.T, path string, answer any) {
	t.Helper()
	must(t, json.Unmarshal(read(t, path), answer))
}

type message struct {
	MsgID       string         `json:"msgid"`
	ChatID      string         `json:"chatid"`
	MsgType     string         `json:"msgtype"`
	Body        map[string]any `json:"body"`
	DeliveredTo []string       `json:"delivered_to"`
}

// lastMessage is what a member got last, of this type and with this content.
func lastMessage(t *testing.T, user, msgType string, content map[string]any) message {
	t.Helper()
	var messages []message
	witness(t, "messages?limit=1&user="+url.QueryEscape(user), &messages)
	if len(messages) != 1 {
		t.Fatalf("%s got nothing", user)
	}
	equal(t, messages[0].MsgType, msgType)
	equal(t, messages[0].Body[msgType], any(content))
	return messages[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares as JSON, which is how it went over the wire.
func equal(t *testing.T, got, want any) {
	t.Helper()
	left, err := json.Marshal(got)
	must(t, err)
	right, err := json.Marshal(want)
	must(t, err)
	if string(left) != string(right) {
		t.Fatalf("got %s, want %s", left, right)
	}
}
