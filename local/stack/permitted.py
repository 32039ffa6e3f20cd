"""What a run of the permission table needs of a deployed stack: a probe inside of each role, names, keys, and changed policies.

Promises: a probe runs with the role that the template gave the function, and proves it by whom AWS takes it for; no policy of the
stack is touched but inside of `saying`, which puts every one back as it was.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from local.aws import ACCOUNT, REGION
from local.permissions.calls import STREAM, Call, There
from local.permissions.evaluator import Policies
from local.permissions.table import (
    CONTEXT,
    DEAD_QUEUES,
    FOREIGN_KEY,
    FUNCTIONS,
    NEW_KEY,
    NOTHING_NAMED,
    QUEUES,
    SECRETS,
    SIGNER_KEY,
    TAGS,
    logs_of,
)
from local.servers import ROOT
from local.stack.deployed import Deployed
from local.stack.report import StackFailure, expect
from outcry.custody.key_policy import signing_policy

type Rewrite = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
_TIMEOUT_S = 120
_SIGNS = {"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY"}
_SIGNING_KEY = "SigningKey"


class Permitted:
    """The stack's roles, with a probe in each."""

    def __init__(self, stack: Deployed, policies: Policies) -> None:
        self._stack = stack
        self._roles = {function: stack.physical_id(policies.role_of(function)) for function in FUNCTIONS}
        self._client = {name: stack.rig.client(name) for name in ("iam", "kms", "lambda", "logs")}
        self._probes: dict[str, str] = {}
        self._own_keys: list[str] = []

    def prepare(self, parameters: Mapping[str, str]) -> There:
        """Stop what the stack does by itself, put a probe into each role, and make and name what the rows ask about."""
        for mapping in self._client["lambda"].list_event_source_mappings()["EventSourceMappings"]:
            self._client["lambda"].update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        for function in FUNCTIONS:
            self._put_probe(function, self._arn(self._roles[function]))
            group = self._stack.physical_id(logs_of(function))
            self._client["logs"].create_log_stream(logGroupName=group, logStreamName=STREAM)
        return self._there(parameters)

    def answers(self, function: str, calls: Sequence[Call]) -> list[str]:
        """The code that each call comes to, made inside of the function's role. Raises StackFailure for another role."""
        payload = json.dumps({"calls": [call.as_event() for call in calls]}).encode()
        answer = self._client["lambda"].invoke(FunctionName=self._probes[function], Payload=payload)
        body = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise StackFailure(f"the probe of {function} raised {body}")
        expected = f":assumed-role/{self._roles[function]}/"
        expect(expected in body["caller"], f"the probe of {function} ran as {body['caller']}")
        return [str(code) for code in body["answers"]]

    @contextlib.contextmanager
    def saying(self, rewrite: Rewrite) -> Iterator[None]:
        """Every policy of the stack's roles and keys as `rewrite` says it, for as long as the block runs."""
        of_roles = {
            (role, name): self._client["iam"].get_role_policy(RoleName=role, PolicyName=name)[
                "PolicyDocument"
            ]
            for role in self._roles.values()
            for name in self._client["iam"].list_role_policies(RoleName=role)["PolicyNames"]
        }
        of_keys = {
            key: json.loads(self._client["kms"].get_key_policy(KeyId=key)["Policy"]) for key in self._own_keys
        }
        try:
            self._put(
                {place: rewrite(document) for place, document in of_roles.items()},
                {key: rewrite(document) for key, document in of_keys.items()},
            )
            yield
        finally:
            self._put(of_roles, of_keys)

    def allow_exactly(self, name: str, asked: Sequence[tuple[str, str]], there: There) -> None:
        """A probe in a new role that is allowed each of these actions on that one resource."""
        statements = [
            {"Effect": "Allow", "Action": action, "Resource": self._resources(resource, there)}
            for action, resource in asked
        ]
        role = "allowed-exactly"
        made = self._client["iam"].create_role(
            RoleName=role,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [_LAMBDA]}),
        )
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._client["iam"].put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=document)
        self._roles[name] = role
        self._put_probe(name, made["Role"]["Arn"])

    # ─── what stands there ───

    def _there(self, parameters: Mapping[str, str]) -> There:
        kms = self._client["kms"]
        execute_orders, signers = (self._arn(self._roles[name]) for name in ("execute_orders", "signers"))
        tags = [{"TagKey": name, "TagValue": value} for name, value in TAGS.items()]
        policy = signing_policy(execute_orders, signers)
        keys = {
            _SIGNING_KEY: kms.describe_key(KeyId=self._stack.physical_id(_SIGNING_KEY))["KeyMetadata"]["Arn"],
            SIGNER_KEY: kms.create_key(**_SIGNS, Policy=policy, Tags=tags)["KeyMetadata"]["Arn"],
            FOREIGN_KEY: kms.create_key()["KeyMetadata"]["Arn"],
        }
        self._own_keys = [keys[_SIGNING_KEY], keys[SIGNER_KEY]]
        context = {key.rpartition(":")[2]: value for key, value in CONTEXT.items()}
        wrapped = {
            name: kms.encrypt(KeyId=keys[name], Plaintext=bytes(32), EncryptionContext=context)[
                "CiphertextBlob"
            ]
            for name in (_SIGNING_KEY, FOREIGN_KEY)
        }
        groups = [logs_of(function) for function in FUNCTIONS]
        return There(
            names={
                **{name: self._stack.physical_id(name) for name in (*QUEUES, *DEAD_QUEUES, *groups)},
                **{name: parameters[name] for name in SECRETS},
                **keys,
            },
            wrapped=wrapped,
            policies={name: kms.get_key_policy(KeyId=key)["Policy"] for name, key in keys.items()},
            foreign_signer=kms.create_key(**_SIGNS)["KeyMetadata"]["Arn"],
        )

    def _resources(self, resource: str, there: There) -> list[str]:
        """The ARNs of a resource, as the template's own policies name it."""
        if resource in {NEW_KEY, NOTHING_NAMED}:
            return ["*"]
        name = there.names[resource]
        if name.startswith("http"):
            return [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name.rpartition('/')[2]}"]
        if resource.endswith("Logs"):
            return [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"]
        return [name, there.foreign_signer] if resource == FOREIGN_KEY else [name]

    def _arn(self, role: str) -> str:
        return str(self._client["iam"].get_role(RoleName=role)["Role"]["Arn"])

    def _put_probe(self, function: str, role_arn: str) -> None:
        self._probes[function] = f"probe-{len(self._probes)}"
        self._client["lambda"].create_function(
            FunctionName=self._probes[function],
            Runtime="python3.13",
            Handler="app.handler",
            Role=role_arn,
            Code={"ZipFile": _package()},
            Timeout=_TIMEOUT_S,
            MemorySize=512,
        )

    def _put(
        self, of_roles: Mapping[tuple[str, str], Mapping[str, Any]], of_keys: Mapping[str, Mapping[str, Any]]
    ) -> None:
        for (role, name), document in of_roles.items():
            self._client["iam"].put_role_policy(
                RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document)
            )
        for key, document in of_keys.items():
            self._client["kms"].put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(document))


def _package() -> bytes:
    """The probe as Lambda takes code."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(ROOT / "local" / "permissions" / "probe.py", "app.py")
    return packed.getvalue()
