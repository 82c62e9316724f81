'use strict';

// The sandbox as these tests see it, and a client that goes there.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const API = require('wechat-enterprise-api');

const url = process.env.SANDBOX_URL;
const agentId = Number(process.env.SANDBOX_AGENT_ID);

// The smallest files that WeCom takes for what they are.
const FILES = {
  image: ['dot.png', Buffer.from('\x89PNG\r\n\x1a\n not much of a picture', 'latin1')],
  voice: ['beep.amr', Buffer.concat([Buffer.from('#!AMR\n<'), Buffer.alloc(31)])],
  video: ['clip.mp4', Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0isommp42', 'latin1')],
  file: ['notes.txt', Buffer.from('周会纪要\r\n--not a boundary\r\n')],
};

/** A client of the first demo app in a sandbox as new; its calls give promises. */
async function fresh() {
  await control('POST', 'reset');
  const api = new API(process.env.SANDBOX_CORP_ID, process.env.SANDBOX_SECRET, agentId);
  // The SDK's own field for the address of the API.
  api.prefix = `${url}/cgi-bin/`;
  const call = (name) => promisify(api[name].bind(api));
  return { api, call: (name, ...args) => call(name)(...args) };
}

async function control(method, where) {
  const answer = await fetch(`${url}/sandbox/${where}`, { method });
  assert.ok(answer.ok, where);
}

async function witness(where) {
  return (await fetch(`${url}/sandbox/${where}`)).json();
}

async function uploaded(mediaId) {
  return Buffer.from(await (await fetch(`${url}/sandbox/media/${mediaId}`)).arrayBuffer());
}

async function upload(wecom, kind) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'strangers-'));
  const [name, content] = FILES[kind];
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  try {
    return await wecom.call('uploadMedia', file, kind);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

module.exports = { FILES, agentId, control, fresh, upload, uploaded, url, witness };
