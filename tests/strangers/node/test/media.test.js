'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { FILES, fresh, upload, uploaded, witness } = require('../sandbox');

for (const [kind, [name, content]] of Object.entries(FILES)) {
  test(`${kind}: what goes up comes down`, async () => {
    const wecom = await fresh();
    const { media_id: mediaId, type } = await upload(wecom, kind);
    assert.equal(type, kind);
    assert.deepEqual(await uploaded(mediaId), content);
    assert.equal((await witness('media'))[0].file_name, name);
    assert.deepEqual(await wecom.call('getMedia', mediaId), content);
  });
}
