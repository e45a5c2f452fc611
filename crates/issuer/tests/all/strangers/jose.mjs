// jose as a relying party of the published issuer.
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const task = JSON.parse(readFileSync(process.env.KEYLESS_JUDGE_TASK));
let checks = 0;
const document = await (await fetch(`${task.issuer}/.well-known/openid-configuration`)).json();
if (document.issuer !== task.issuer) throw new Error(`issuer ${document.issuer}`);
checks += 1;
// The set is read again for each unknown key, as a flood of bad tokens would make it.
const keys = createRemoteJWKSet(new URL(document.jwks_uri), { cooldownDuration: 0 });
const verify = (token) => jwtVerify(token, keys, { issuer: task.issuer, audience: task.audience, algorithms: document.id_token_signing_alg_values_supported });
for (const token of task.good) {
  const { payload } = await verify(token);
  if (payload.sub !== 'system:serviceaccount:shop:web') throw new Error(payload.sub);
  checks += 1;
}
for (const [number, token] of task.bad.entries()) {
  const taken = await verify(token).then(() => true, () => false);
  if (taken) throw new Error(`broken token ${number} was taken`);
  checks += 1;
}
console.log(`${checks} checks hold`);
