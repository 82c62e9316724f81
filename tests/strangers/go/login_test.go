package strangers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/silenceper/wechat/v2/work/oauth"
)

const back = "https://oa.example.com/back?from=wecom"

// browse is a browser: the same page on another host, a choice, the way back.
func browse(t *testing.T, page, choice string) url.Values {
	t.Helper()
	here, err := url.Parse(page)
	must(t, err)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := browser.Get(sandboxURL + here.Path + "?" + here.RawQuery + choice)
	must(t, err)
	response.Body.Close()
	location := response.Header.Get("Location")
	if !strings.HasPrefix(location, back) {
		t.Fatalf("%s leads to %q", page, location)
	}
	returned, err := url.Parse(location)
	must(t, err)
	return returned.Query()
}

func TestLogin(t *testing.T) {
	login := fresh(t).GetOauth()
	returned := browse(t, login.GetTargetURL(back), "&user=zhangsan")
	equal(t, returned.Get("state"), "STATE") // The SDK knows no other.
	user, err := login.GetUserInfo(returned.Get("code"))
	must(t, err)
	equal(t, user.UserID, "zhangsan")
	_, err = login.GetUserInfo(returned.Get("code"))
	hasCode(t, err, 40029)
}

func TestLoginByTheOlderCall(t *testing.T) {
	login := fresh(t).GetOauth()
	user, err := login.UserFromCode(browse(t, login.GetTargetURL(back), "&user=LiLei").Get("code"))
	must(t, err)
	equal(t, user.UserID, "LiLei")
	stranger := browse(t, login.GetTargetURL(back), "&user=*stranger").Get("code")
	user, err = login.UserFromCode(stranger)
	must(t, err)
	equal(t, []bool{user.UserID == "", user.OpenID == ""}, []bool{true, false})
}

func TestConsentGivesDetails(t *testing.T) {
	login := fresh(t).GetOauth()
	page := login.GetTargetPrivateURL(back, agentID)
	code := browse(t, page, "&user=zhangsan&consent=yes").Get("code")
	user, err := login.GetUserInfo(code)
	must(t, err)
	detail, err := login.GetUserDetail(&oauth.GetUserDetailRequest{UserTicket: user.UserTicket})
	must(t, err)
	equal(t, []any{detail.UserID, strings.HasPrefix(detail.Mobile, "100")}, []any{"zhangsan", true})
}

func TestLoginByQrCode(t *testing.T) {
	login := fresh(t).GetOauth()
	returned := browse(t, login.GetQrContentTargetURL(back), "&user=lisi")
	equal(t, len(returned.Get("state")), 16)
	user, err := login.GetUserInfo(returned.Get("code"))
	must(t, err)
	equal(t, user.UserID, "lisi")
}
