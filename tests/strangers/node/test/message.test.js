'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { agentId, control, fresh, upload, witness } = require('../sandbox');

// The SDK has one call for all types; each content is made as its own name says.
const CONTENTS = {
  text: () => ({ content: '午饭 & <b>' }),
  image: async (wecom) => ({ media_id: (await upload(wecom, 'image')).media_id }),
  voice: async (wecom) => ({ media_id: (await upload(wecom, 'voice')).media_id }),
  file: async (wecom) => ({ media_id: (await upload(wecom, 'file')).media_id }),
  video: async (wecom) => ({
    media_id: (await upload(wecom, 'video')).media_id, title: '演示', description: '一分钟',
  }),
  textcard: () => ({
    title: '体检通知', description: '周三', url: 'https://oa.example.com/health', btntxt: '预约',
  }),
  news: () => ({ articles: [{ title: '月报', url: 'https://oa.example.com/7' }] }),
  mpnews: async (wecom) => ({
    articles: [{
      title: '搬家',
      thumb_media_id: (await upload(wecom, 'image')).media_id,
      content: '<p>七楼</p>',
      show_cover_pic: '1',
    }],
  }),
  markdown: () => ({ content: '**会议室** 301' }),
  miniprogram_notice: () => ({
    appid: 'wx5a9db0c5a9db0c5a',
    title: '会议室预订成功',
    content_item: [{ key: '会议室', value: '301' }],
  }),
  taskcard: () => ({
    title: '请假审批',
    description: '李四，两天',
    task_id: 'leave-1',
    btn: [{ key: 'yes', name: '同意' }],
  }),
  template_card: () => ({
    card_type: 'text_notice',
    main_title: { title: '发布完成' },
    card_action: { type: 1, url: 'https://oa.example.com/release' },
  }),
};

for (const [kind, content] of Object.entries(CONTENTS)) {
  test(`${kind} arrives`, async () => {
    const wecom = await fresh();
    const body = { msgtype: kind, [kind]: await content(wecom) };
    const answer = await wecom.call('send', { touser: 'zhangsan' }, body);
    const [message] = await witness('messages?user=zhangsan&limit=1');
    assert.equal(message.msgid, answer.msgid);
    assert.deepEqual(message.delivered_to, ['zhangsan']);
    assert.deepEqual(message.body, { agentid: agentId, touser: 'zhangsan', ...body });
  });
}

const TEXT = { msgtype: 'text', text: { content: 'hi' } };

test('recipients who are none are told', async () => {
  const wecom = await fresh();
  const answer = await wecom.call('send', { touser: 'zhangsan|Nobody', toparty: '5|77' }, TEXT);
  assert.deepEqual([answer.invaliduser, answer.invalidparty], ['nobody', '77']);
  await assert.rejects(wecom.call('send', { touser: 'nobody' }, TEXT), { code: 81013 });
});

// It looks for 42001 only after its error handling has taken that for an error, and asks its
// store, which still has the old token: an ended token stays.
test('an expired token stays', async () => {
  const wecom = await fresh();
  await wecom.call('getLatestToken');
  await control('POST', 'tokens/expire');
  for (let turn = 0; turn < 2; turn += 1) {
    await assert.rejects(wecom.call('send', { touser: 'zhangsan' }, TEXT), { code: 42001 });
  }
  assert.equal((await witness('calls?path=gettoken')).length, 1);
});
