"""Queues, functions and triggers come out of the template, and what cannot be run here is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from local.dispatcher.blueprint import Blueprint, SourceSpec
from local.dispatcher.cloudformation import TemplateError

TEMPLATE = """
Parameters:
  Network: {{ Type: String }}
Globals:
  Function:
    Handler: app.handler
    Timeout: 9
    Environment: {{ Variables: {{ COMMON: !Ref Network }} }}
Resources:
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${{AWS::StackName}}-work
      VisibilityTimeout: 54
      DelaySeconds: 2
      RedrivePolicy: {{ deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4 }}
  Dead:
    Type: AWS::SQS::Queue
  Key:
    Type: AWS::KMS::Key
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/worker
      Environment: {{ Variables: {{ QUEUE: !Ref Work, KEY: !GetAtt Key.Arn }} }}
      Events:
        Some: {event}
"""
SQS = """{ Type: SQS, Properties: { Queue: !GetAtt Work.Arn, BatchSize: 5,
          FunctionResponseTypes: [ReportBatchItemFailures], ScalingConfig: { MaximumConcurrency: 2 } } }"""


def blueprint(tmp_path: Path, event: str = SQS) -> Blueprint:
    (tmp_path / "functions" / "worker").mkdir(parents=True)
    (tmp_path / "functions" / "worker" / "app.py").write_text("")
    file = tmp_path / "template.yaml"
    file.write_text(TEMPLATE.format(event=event))
    return Blueprint(file, {"Network": "local"}, region="us-east-1", account="000000000000")


ATTRIBUTES = {"Work": {"Ref": "http://work", "Arn": "arn:work"}, "Key": {"Arn": "arn:key"}}


def test_a_queue_keeps_what_the_template_says_of_it(tmp_path: Path) -> None:
    dead, work = blueprint(tmp_path).queues()

    assert (dead.name, dead.dead_letters, dead.visibility_s) == ("Dead", None, 30)
    assert (work.name, work.dead_letters, work.max_receives) == ("outcry-work", "Dead", 4)
    assert work.attributes == {"VisibilityTimeout": "54", "DelaySeconds": "2"}
    assert work.visibility_s == 54


def test_a_function_has_its_variables_limit_and_source(tmp_path: Path) -> None:
    (worker,) = blueprint(tmp_path).functions(ATTRIBUTES)

    assert (worker.name, worker.module, worker.handler) == ("worker", "app", "handler")
    assert (worker.timeout_s, worker.memory_mb) == (9, 128)
    assert worker.variables == {"COMMON": "local", "QUEUE": "http://work", "KEY": "arn:key"}
    assert worker.sources == (SourceSpec("Work", 5, 2, reports_failures=True),)


@pytest.mark.parametrize(
    ("rate", "interval"), [("rate(1 minute)", timedelta(minutes=1)), ("rate(2 hours)", timedelta(hours=2))]
)
def test_a_schedule_is_an_interval(tmp_path: Path, rate: str, interval: timedelta) -> None:
    event = f"{{ Type: ScheduleV2, Properties: {{ ScheduleExpression: {rate} }} }}"

    (worker,) = blueprint(tmp_path, event).functions(ATTRIBUTES)

    assert worker.schedules == (interval,)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("{ Type: S3 }", "Worker.Some: events of type S3"),
        (
            '{ Type: ScheduleV2, Properties: { ScheduleExpression: "cron(0 * * * ? *)" } }',
            "Worker.Some: 'cron",
        ),
        ("{ Type: ScheduleV2, Properties: { ScheduleExpression: rate(0 minutes) } }", "Worker.Some: 'rate"),
        ("{ Type: SQS, Properties: { Queue: !Ref Work } }", "Worker.Some: name the queue by"),
        (
            "{ Type: SQS, Properties: { Queue: !GetAtt Work.Arn, MaximumBatchingWindowInSeconds: 5 } }",
            "batching windows",
        ),
    ],
)
def test_a_trigger_that_cannot_be_honoured_is_refused(tmp_path: Path, event: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        blueprint(tmp_path, event).functions(ATTRIBUTES)


def test_a_function_without_its_file_is_refused(tmp_path: Path) -> None:
    found = blueprint(tmp_path)
    (tmp_path / "functions" / "worker" / "app.py").unlink()

    with pytest.raises(TemplateError, match="there is no"):
        found.functions(ATTRIBUTES)


def test_keys_are_found(tmp_path: Path) -> None:
    assert blueprint(tmp_path).key_ids() == ["Key"]
