// The official Node client against PUBSUB_EMULATOR_HOST: 1000 messages by stream, 10 by unary pull.
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.PUBSUB_NODE_MODULES, 'any.js'));
const { PubSub, v1 } = require('@google-cloud/pubsub');

const COUNT = 1000;
const pubsub = new PubSub({ projectId: 'test' });
const name = `node-${process.pid}-${Date.now()}`;
const [topic] = await pubsub.createTopic(name);
const [subscription] = await topic.createSubscription(name);
await assert.rejects(pubsub.createTopic(name), { code: 6 });

const ids = await Promise.all(
  Array.from({ length: COUNT }, (_, number) => topic.publishMessage({ data: Buffer.from(`message ${number}`), attributes: { number: `${number}` } })),
);
assert.equal(new Set(ids).size, COUNT);

const received = new Set();
await new Promise((resolve, reject) => {
  subscription.on('error', reject);
  subscription.on('message', message => {
    assert.equal(message.data.toString(), `message ${message.attributes.number}`);
    received.add(message.id);
    message.ack();
    if (received.size === COUNT) resolve();
  });
});
await subscription.close(); // sends the acknowledgements that wait

for (let number = 0; number < 10; number++) await topic.publishMessage({ data: Buffer.from('unary') });
const [host, port] = process.env.PUBSUB_EMULATOR_HOST.split(':');
const { credentials } = require('@grpc/grpc-js');
const client = new v1.SubscriberClient({ servicePath: host, port: Number(port), sslCreds: credentials.createInsecure() });
const path = client.subscriptionPath('test', name);
for (let left = 10; left > 0; ) {
  const [{ receivedMessages }] = await client.pull({ subscription: path, maxMessages: 4 });
  assert(receivedMessages.length > 0 && receivedMessages.length <= 4);
  await client.acknowledge({ subscription: path, ackIds: receivedMessages.map(one => one.ackId) });
  left -= receivedMessages.length;
}
console.log(`node: ${COUNT} by stream, 10 by unary pull`);
process.exit(0);
