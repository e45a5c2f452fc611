// openid-client discovers the published issuer; its validation of the document is the judge, and
// jose, which it is built on, verifies tokens by the document that it accepted.
import { readFileSync } from 'node:fs';
import * as client from 'openid-client';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const task = JSON.parse(readFileSync(process.env.KEYLESS_JUDGE_TASK));
let checks = 0;
const config = await client.discovery(new URL(task.issuer), 'nobody');
const document = config.serverMetadata();
if (document.issuer !== task.issuer) throw new Error(`issuer ${document.issuer}`);
checks += 1;
const keys = createRemoteJWKSet(new URL(document.jwks_uri), { cooldownDuration: 0 });
const verify = (token) => jwtVerify(token, keys, { issuer: document.issuer, audience: task.audience, algorithms: document.id_token_signing_alg_values_supported });
for (const token of task.good) {
  await verify(token);
  checks += 1;
}
for (const [number, token] of task.bad.entries()) {
  const taken = await verify(token).then(() => true, () => false);
  if (taken) throw new Error(`broken token ${number} was taken`);
  checks += 1;
}
// Another issuer's name for the same documents is refused.
const other = new URL(`${task.issuer}/`);
await client.discovery(new URL(other.href.replace('/c/', '/C')), 'nobody').then(
  () => { throw new Error('another name was taken'); },
  () => {},
);
console.log(`${checks} checks hold`);
