def test_user(wecom):
    user = wecom.user.get("zhangsan")
    assert (user["userid"], user["name"], user["department"]) == ("zhangsan", "张三", [2])


def test_departments(wecom):
    assert {one["id"]: one["name"] for one in wecom.department.get()} == {
        2: "研发部", 3: "市场部", 4: "人事部", 5: "平台组",
    }
    assert [one["id"] for one in wecom.department.get(2)] == [2, 5]


def test_lists_have_direct_members_whatever_fetch_child_says(wecom):
    for fetch_child in (False, True):
        users = wecom.user.list(2, fetch_child=fetch_child, simple=True)
        assert sorted(one["userid"] for one in users) == [
            "ChenDaWen", "he-jing", "lin_x", "lisi", "wangwu", "zhangsan", "zhaoliu",
        ]
    assert wecom.department.get_map_users(5, key="name")["李雷"] == "LiLei"


def test_tags(wecom):
    assert {"tagid": 1, "tagname": "值班"} in wecom.tag.list()
    users = wecom.tag.get_users(1)["userlist"]
    assert [one["userid"] for one in users] == ["zhangsan", "LiLei", "lisi"]


def test_openid_and_back(wecom):
    openid = wecom.user.convert_to_openid("lisi")["openid"]
    assert wecom.user.convert_to_user_id(openid) == "lisi"


def test_agent(wecom, sandbox):
    assert wecom.agent.get(sandbox.agent_id)["name"] == "youxiao"


def test_tickets(wecom):
    ticket = wecom.jsapi.get_jsapi_ticket()
    assert ticket == wecom.jsapi.get_ticket()["ticket"]
    assert ticket != wecom.jsapi.get_agent_jsapi_ticket()
