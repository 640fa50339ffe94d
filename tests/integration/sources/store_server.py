"""An object store: S3 and IAM as moto's server speaks them, which checks signatures and policies.

Runs in an environment of its own (``store-requirements.lock``). Prints where it is and a key for the bucket ``dags``;
the bucket ``other`` is for nobody. Then it puts, and with null removes, what stdin names: a JSON object a line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from moto import settings
from moto.server import ThreadedMotoServer


def main() -> None:
    """Until stdin ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def client(kind: str, key: str, secret: str) -> Any:
        login = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        return boto3.client(kind, endpoint_url=url, region_name="us-east-1", **login)

    first, iam = client("s3", "root", "root"), client("iam", "root", "root")
    first.create_bucket(Bucket="dags")
    first.create_bucket(Bucket="other")
    iam.create_user(UserName="airspace")
    made = iam.create_access_key(UserName="airspace")["AccessKey"]
    what = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::dags", "arn:aws:s3:::dags/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [what]})
    iam.put_user_policy(UserName="airspace", PolicyName="dags", PolicyDocument=document)
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from here on, who asks is asked who it is
    own = client("s3", made["AccessKeyId"], made["SecretAccessKey"])
    say({"url": url, "key": made["AccessKeyId"], "secret": made["SecretAccessKey"]})
    for line in sys.stdin:
        for name, text in json.loads(line).items():
            if text is None:
                own.delete_object(Bucket="dags", Key=name)
            else:
                own.put_object(Bucket="dags", Key=name, Body=text.encode())
        say({})


def say(answer: object) -> None:
    """One line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
