'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { fresh, witness } = require('../sandbox');

test('user', async () => {
  const wecom = await fresh();
  const user = await wecom.call('getUser', 'zhangsan');
  assert.deepEqual([user.userid, user.name, user.department], ['zhangsan', '张三', [2]]);
  await assert.rejects(wecom.call('getUser', 'nobody'), { code: 60111 });
});

test('departments', async () => {
  const wecom = await fresh();
  const { department } = await wecom.call('getDepartments');
  assert.deepEqual(
    department.map(({ id, name }) => [id, name]).sort(),
    [[2, '研发部'], [3, '市场部'], [4, '人事部'], [5, '平台组']],
  );
});

test('lists have direct members, whatever fetch_child says', async () => {
  const wecom = await fresh();
  for (const fetchChild of [0, 1]) {
    for (const name of ['getDepartmentUsers', 'getDepartmentUsersDetail']) {
      const { userlist } = await wecom.call(name, 2, fetchChild, 0);
      assert.equal(userlist.length, 7, name);
    }
  }
});

test('tags', async () => {
  const wecom = await fresh();
  const { taglist } = await wecom.call('listTags');
  assert.deepEqual(taglist[0], { tagid: 1, tagname: '值班' });
  const { userlist } = await wecom.call('getTagUsers', 1);
  assert.deepEqual(userlist.map(({ userid }) => userid), ['zhangsan', 'LiLei', 'lisi']);
});

test('a JS-SDK ticket is kept', async () => {
  const wecom = await fresh();
  for (let turn = 0; turn < 2; turn += 1) {
    const config = await wecom.call('getJsConfig', { url: 'https://oa.example.com/' });
    assert.equal(config.signature.length, 40);
  }
  assert.equal((await witness('calls?path=get_jsapi_ticket')).length, 1);
});
