# SPDX-License-Identifier: GPL-2.0-or-later
"""The frontend's side of the queue: mosquitto_sub with a persistent session, and mosquitto_pub."""

import json
import queue
import subprocess
import threading

import message_schema

TOPIC = "ispstorage/v1/cwmp/"
PATIENCE = 60  # seconds; only what the broker lost takes long, until the outbox is repeated


class Subscriber:
    def __init__(self, port):
        self.port, self.messages = port, queue.Queue()
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(port), "-q", "1", "-c", "-i", "ispstorage-frontend", "-F", "%j",
             "-t", TOPIC + "+/inform", "-t", TOPIC + "+/result"], stdout=subprocess.PIPE)
        threading.Thread(target=self.pump, daemon=True).start()

    def pump(self):
        for line in self.process.stdout:
            message = json.loads(line)
            self.messages.put((message["topic"], json.loads(message["payload"])))

    def next_any(self, kind=""):
        topic, payload = self.messages.get(timeout=PATIENCE)
        message_schema.check(topic.rsplit("/", 1)[1], payload)
        return payload if topic.endswith("/" + kind) or not kind else None

    def next(self, kind):
        """The next message of the kind; others are passed over."""
        while True:
            if payload := self.next_any(kind):
                return payload

    def result(self, command):
        while True:
            result = self.next("result")
            if result["command"] == command:
                return result

    def publish(self, device, kind, payload):
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", f"{TOPIC}{device}/{kind}", "-s"],
                       input=payload if isinstance(payload, bytes) else json.dumps(payload).encode(), check=True)

    def ack(self, device, message):
        self.publish(device, "ack", {"ids": [message["id"]]})

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
