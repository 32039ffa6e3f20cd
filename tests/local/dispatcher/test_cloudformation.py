"""The template reader works out what it knows, and refuses the rest by name."""

from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import Resolver, TemplateError, load

PSEUDO = {"AWS::Region": "us-east-1", "AWS::StackName": "outcry"}
TEMPLATE: dict[str, Any] = {
    "Parameters": {"Network": {"Type": "String"}, "Days": {"Type": "Number", "Default": 30}},
    "Mappings": {"Urls": {"mainnet": {"Url": "https://main"}}},
    "Conditions": {
        "IsLocal": {"Fn::Equals": [{"Ref": "Network"}, "local"]},
        "IsNotLocal": {"Fn::Not": [{"Condition": "IsLocal"}]},
        "Both": {"Fn::And": [{"Condition": "IsLocal"}, {"Condition": "IsNotLocal"}]},
        "Either": {"Fn::Or": [{"Condition": "IsLocal"}, {"Condition": "IsNotLocal"}]},
    },
    "Resources": {},
}


def resolver(network: str = "local", **more: str) -> Resolver:
    attributes = {"Queue": {"Ref": "http://queue", "Arn": "arn:queue"}}
    return Resolver(TEMPLATE, {"Network": network, **more}, attributes, PSEUDO)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("plain", "plain"),
        (7, 7),
        ({"Ref": "Network"}, "local"),
        ({"Ref": "Days"}, "30"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Queue"}, "http://queue"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue"),
        ({"Fn::Sub": "${AWS::StackName}-${Queue.Arn}-${Network}"}, "outcry-arn:queue-local"),
        ({"Fn::Sub": ["${Extra}!", {"Extra": {"Ref": "Days"}}]}, "30!"),
        ({"Fn::If": ["IsLocal", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsNotLocal", "yes", "no"]}, "no"),
        ({"Fn::If": ["Both", "yes", "no"]}, "no"),
        ({"Fn::If": ["Either", "yes", "no"]}, "yes"),
        ({"Fn::FindInMap": ["Urls", "mainnet", "Url"]}, "https://main"),
        ([{"Ref": "Network"}, {"Ref": "AWS::NoValue"}], ["local"]),
        ({"kept": {"Ref": "Network"}, "left": {"Ref": "AWS::NoValue"}}, {"kept": "local"}),
    ],
)
def test_an_intrinsic_function_is_worked_out(node: Any, expected: Any) -> None:
    assert resolver().value(node) == expected


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"Fn::ImportValue": "x"}, "ImportValue is not known"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "Bucket.Arn has no counterpart"),
        ({"Ref": "Nowhere"}, "Nowhere.Ref has no counterpart"),
        ({"Fn::If": ["Unheard", 1, 2]}, "Unheard is not declared"),
    ],
)
def test_what_is_not_known_is_refused_by_name(node: Any, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        resolver().value(node)


def test_f56_a_parameter_without_default_must_be_given() -> None:
    empty = Resolver(TEMPLATE, {}, {}, PSEUDO)

    with pytest.raises(TemplateError, match="Network has no default"):
        empty.value({"Ref": "Network"})


def test_a_parameter_that_the_template_does_not_have_is_refused() -> None:
    with pytest.raises(TemplateError, match="no parameter Netwrok"):
        resolver(Netwrok="local")


def test_short_tags_are_read_as_their_long_forms(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(
        "Resources:\n  A: !Sub '${B}'\n  C: !GetAtt D.Arn\n  E: !If [F, !Ref G, 1]\n  H: !X { i: 1 }\n"
    )

    assert load(file)["Resources"] == {
        "A": {"Fn::Sub": "${B}"},
        "C": {"Fn::GetAtt": ["D", "Arn"]},
        "E": {"Fn::If": ["F", {"Ref": "G"}, 1]},
        "H": {"Fn::X": {"i": 1}},
    }


@pytest.mark.parametrize("text", ["a: [", "just text", "Parameters: {}"])
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)

    with pytest.raises(TemplateError, match=r"template\.yaml"):
        load(file)
