package strangers

import (
	"sort"
	"testing"

	"github.com/silenceper/wechat/v2/work/addresslist"
)

func TestUser(t *testing.T) {
	user, err := fresh(t).GetAddressList().UserGet("zhangsan")
	must(t, err)
	equal(t, []any{user.UserID, user.Name, user.Department}, []any{"zhangsan", "张三", []int{2}})
	_, err = client("SANDBOX_SECRET").GetAddressList().UserGet("nobody")
	hasCode(t, err, 60111)
}

func TestDepartments(t *testing.T) {
	list := fresh(t).GetAddressList()
	departments, err := list.DepartmentList()
	must(t, err)
	names := map[int]string{}
	for _, one := range departments {
		names[one.ID] = one.Name
	}
	equal(t, names, map[int]string{2: "研发部", 3: "市场部", 4: "人事部", 5: "平台组"})
	below, err := list.DepartmentSimpleList(2)
	must(t, err)
	equal(t, []int{below[0].ID, below[1].ID}, []int{2, 5})
	one, err := list.DepartmentGet(5)
	must(t, err)
	equal(t, []any{one.Name, one.ParentID}, []any{"平台组", 2})
}

func TestUserLists(t *testing.T) {
	users, err := fresh(t).GetAddressList().UserSimpleList(5)
	must(t, err)
	var ids []string
	for _, user := range users {
		ids = append(ids, user.UserID)
	}
	sort.Strings(ids)
	equal(t, ids, []string{"HanMeimei", "LiLei", "lisi", "qianqi", "sunba", "wushi", "zhoujiu"})

	list := client("SANDBOX_CONTACTS_SECRET").GetAddressList()
	first, err := list.UserListID(&addresslist.UserListIDRequest{Limit: 20})
	must(t, err)
	second, err := list.UserListID(&addresslist.UserListIDRequest{Cursor: first.NextCursor, Limit: 20})
	must(t, err)
	equal(t, []any{len(first.DeptUser), len(second.DeptUser), second.NextCursor}, []any{20, 11, ""})
}

func TestTags(t *testing.T) {
	list := fresh(t).GetAddressList()
	tags, err := list.ListTag()
	must(t, err)
	equal(t, tags.TagList[0], addresslist.Tag{TagID: 1, TagName: "值班"})
	tag, err := list.GetTag(1)
	must(t, err)
	equal(t, len(tag.UserList), 3)
}

func TestOpenIDAndBack(t *testing.T) {
	list := fresh(t).GetAddressList()
	openID, err := list.ConvertToOpenID("lisi")
	must(t, err)
	userID, err := list.ConvertToUserID(openID)
	must(t, err)
	equal(t, userID, "lisi")
}

func TestJsSdk(t *testing.T) {
	js := fresh(t).JsSdk()
	for range []int{1, 2} {
		config, err := js.GetConfig("https://oa.example.com/")
		must(t, err)
		equal(t, len(config.Signature), 40)
	}
	_, err := js.GetAgentConfig("https://oa.example.com/")
	must(t, err)
	for path, times := range map[string]int{"get_jsapi_ticket": 1, "ticket/get": 1} {
		var calls []struct{ Errcode int }
		witness(t, "calls?path="+path, &calls)
		equal(t, len(calls), times)
	}
}
