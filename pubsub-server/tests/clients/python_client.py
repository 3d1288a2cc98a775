"""The official Python client against PUBSUB_EMULATOR_HOST: 1000 messages by stream, 10 by unary pull."""

import threading
import time
import uuid

from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud import pubsub_v1

COUNT = 1000
publisher = pubsub_v1.PublisherClient()
subscriber = pubsub_v1.SubscriberClient()
name = f"python-{uuid.uuid4().hex[:8]}"
topic = publisher.topic_path("test", name)
subscription = subscriber.subscription_path("test", name)

publisher.create_topic(name=topic)
subscriber.create_subscription(name=subscription, topic=topic, ack_deadline_seconds=10)
try:
    publisher.create_topic(name=topic)
    raise SystemExit("a topic was created twice")
except AlreadyExists:
    pass
try:
    subscriber.get_subscription(subscription=subscriber.subscription_path("test", "missing"))
    raise SystemExit("a subscription exists that nobody created")
except NotFound:
    pass

sent = [publisher.publish(topic, f"message {number}".encode(), number=str(number)) for number in range(COUNT)]
sent = {future.result(timeout=30): number for number, future in enumerate(sent)}
assert len(sent) == COUNT, "message ids are not unique"

received, lock, complete = set(), threading.Lock(), threading.Event()


def on_message(message):
    assert message.data == f"message {sent[message.message_id]}".encode()
    assert message.attributes["number"] == str(sent[message.message_id])
    assert message.publish_time.timestamp() <= time.time()
    message.ack()
    with lock:
        received.add(message.message_id)
        if len(received) == COUNT:
            complete.set()


streaming = subscriber.subscribe(subscription, callback=on_message)
assert complete.wait(timeout=60), f"{len(received)} of {COUNT} messages came by stream"
time.sleep(1)  # the client sends its acknowledgements in the background
streaming.cancel()
streaming.result(timeout=30)

extra = {publisher.publish(topic, b"unary").result(timeout=30) for _ in range(10)}
while extra:
    pulled = subscriber.pull(subscription=subscription, max_messages=4, timeout=30).received_messages
    assert 0 < len(pulled) <= 4
    subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in pulled])
    extra -= {one.message.message_id for one in pulled}

print(f"python: {COUNT} by stream, 10 by unary pull")
