'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { fresh, url } = require('../sandbox');

const BACK = 'https://oa.example.com/back?from=wecom';

/** A browser inside WeCom: the same page on another host, a choice, the way back. */
async function browse(page, user) {
  const { origin, pathname, search } = new URL(page);
  assert.equal(origin, 'https://open.weixin.qq.com');
  const answer = await fetch(`${url}${pathname}${search}&user=${user}`, { redirect: 'manual' });
  const location = answer.headers.get('location');
  assert.ok(location.startsWith(BACK), location);
  return new URL(location).searchParams;
}

test('login', async () => {
  const wecom = await fresh();
  const returned = await browse(wecom.api.getAuthorizeURL(BACK, 'abc1'), 'zhangsan');
  assert.equal(returned.get('state'), 'abc1');
  const code = returned.get('code');
  assert.equal((await wecom.call('getUserIdByCode', code)).UserId, 'zhangsan');
  await assert.rejects(wecom.call('getUserIdByCode', code), { code: 40029 });
});

test('a stranger has no user id', async () => {
  const wecom = await fresh();
  const code = (await browse(wecom.api.getAuthorizeURL(BACK), '*stranger')).get('code');
  const visitor = await wecom.call('getUserIdByCode', code);
  assert.equal(visitor.UserId, undefined);
  assert.ok(visitor.OpenId);
});
