"""The generated stubs say what wire-contract.json says: nothing is missing, nothing is extra.

Both sides are flattened to lines ("MESSAGE.FIELD = NUMBER TYPE ..."), so that a failure reads as
the lines that differ. The contract file is the reference for any implementation; it is edited by
hand, and only when upstream's API changes.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

import linkerd.stubs

CONTRACT: Mapping[str, Any] = json.loads((Path(__file__).parent / "wire-contract.json").read_text())


def stub_files() -> list[FileDescriptorProto]:
    """The descriptor of every generated module, as it is served by reflection."""
    files = []
    for module in pkgutil.walk_packages(linkerd.stubs.__path__, "linkerd.stubs."):
        if module.name.endswith("_pb2"):
            file = FileDescriptorProto()
            importlib.import_module(module.name).DESCRIPTOR.CopyToProto(file)
            files.append(file)
    return files


# --- lines of the contract file


def contract_lines() -> Iterator[str]:
    yield from (f"package {name}" for name in CONTRACT["packages"])
    for service, methods in CONTRACT["services"].items():
        yield f"service {service}"
        yield from (f"{service}/{name} = {method}" for name, method in methods.items())
    for message, content in CONTRACT["messages"].items():
        yield from contract_message(message, content)
    for enum, values in CONTRACT["enums"].items():
        yield f"enum {enum}"
        yield from (f"{enum}.{name} = {number}" for name, number in values.items())


def contract_message(name: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"message {name}{deprecated(content)}"
    yield from (f"{name}.{field} = {text}" for field, text in content["fields"].items())
    yield from (f"{name} reserves {item}" for item in content.get("reserved", []))


def deprecated(content: Mapping[str, Any]) -> str:
    return " deprecated" if content.get("deprecated") else ""


# --- lines of descriptors


def stub_lines(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    for file in files:
        assert file.syntax == "proto3", file.name
        yield f"package {file.package}"
        for service in file.service:
            yield from service_lines(file.package, service)
        for message in file.message_type:
            yield from message_lines(file.package, message)
        for enum in file.enum_type:
            yield from enum_lines(file.package, enum)


def service_lines(package: str, service: ServiceDescriptorProto) -> Iterator[str]:
    name = f"{package}.{service.name}"
    yield f"service {name}"
    for method in service.method:
        request = side(method.input_type, streaming=method.client_streaming)
        response = side(method.output_type, streaming=method.server_streaming)
        yield f"{name}/{method.name} = {request} -> {response}{marked(method)}"


def side(type_name: str, *, streaming: bool) -> str:
    return ("stream " if streaming else "") + type_name.removeprefix(".")


def message_lines(scope: str, message: DescriptorProto) -> Iterator[str]:
    name = f"{scope}.{message.name}"
    yield f"message {name}{marked(message)}"
    for field in message.field:
        yield f"{name}.{field.name} = {field_text(name, message, field)}"
    for span in message.reserved_range:
        yield from (f"{name} reserves {number}" for number in range(span.start, span.end))
    yield from (f"{name} reserves {reserved}" for reserved in message.reserved_name)
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from message_lines(name, nested)
    for enum in message.enum_type:
        yield from enum_lines(name, enum)


def field_text(scope: str, message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entries = {
        f".{scope}.{nested.name}": nested
        for nested in message.nested_type
        if nested.options.map_entry
    }
    text = f"{field.number} "
    if field.type_name in entries:
        key, value = entries[field.type_name].field
        return f"{text}map<{type_of(key)}, {type_of(value)}>{marked(field)}"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        text += "repeated "
    text += type_of(field)
    if field.proto3_optional:
        text += " proto3_optional"
    elif field.HasField("oneof_index"):
        text += f" oneof={message.oneof_decl[field.oneof_index].name}"
    return text + marked(field)


def type_of(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return field.type_name.removeprefix(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def enum_lines(scope: str, enum: EnumDescriptorProto) -> Iterator[str]:
    name = f"{scope}.{enum.name}"
    yield f"enum {name}"
    yield from (f"{name}.{value.name} = {value.number}" for value in enum.value)


def marked(item: DescriptorProto | FieldDescriptorProto | MethodDescriptorProto) -> str:
    return " deprecated" if item.options.deprecated else ""


def difference(files: Iterable[FileDescriptorProto]) -> tuple[set[str], set[str]]:
    """(lines that the stubs lack, lines that the contract lacks)."""
    expected, actual = set(contract_lines()), set(stub_lines(files))
    return expected - actual, actual - expected


# --- tests


def test_stubs_and_contract_agree() -> None:
    missing, extra = difference(stub_files())
    report = [f"- {line}" for line in sorted(missing)] + [f"+ {line}" for line in sorted(extra)]
    assert not report, "\n".join(["the stubs lack (-) or add (+):", *report])


def test_each_package_is_one_file() -> None:
    assert sorted(file.package for file in stub_files()) == sorted(CONTRACT["packages"])


def message_named(files: Iterable[FileDescriptorProto], package: str, name: str) -> DescriptorProto:
    file = next(file for file in files if file.package == package)
    return next(message for message in file.message_type if message.name == name)


def update(files: list[FileDescriptorProto]) -> DescriptorProto:
    return message_named(files, "io.linkerd.proxy.destination", "Update")


def weighted_addr(files: list[FileDescriptorProto]) -> DescriptorProto:
    return message_named(files, "io.linkerd.proxy.destination", "WeightedAddr")


def method(files: list[FileDescriptorProto]) -> MethodDescriptorProto:
    return next(file for file in files if file.service).service[0].method[0]


def scheme(files: list[FileDescriptorProto]) -> EnumDescriptorProto:
    return message_named(files, "io.linkerd.proxy.http_types", "Scheme").enum_type[0]


def drop_services(files: list[FileDescriptorProto]) -> None:
    for file in files:
        file.ClearField("service")


def show_map_entries(files: list[FileDescriptorProto]) -> None:
    for entry in weighted_addr(files).nested_type:
        entry.options.ClearField("map_entry")


DEFECTS: dict[str, Callable[[list[FileDescriptorProto]], object]] = {
    "a package is missing": lambda files: files.pop(),
    "a package has another name": lambda files: setattr(files[0], "package", "other"),
    "services are missing": drop_services,
    "a call does not stream": lambda files: setattr(
        method(files), "server_streaming", not method(files).server_streaming
    ),
    "a call streams requests": lambda files: setattr(method(files), "client_streaming", True),
    "a call answers another type": lambda files: setattr(method(files), "output_type", ".other"),
    "a field is missing": lambda files: update(files).field.pop(),
    "a field is extra": lambda files: update(files).field.add(name="more", number=99, type=9),
    "a number differs": lambda files: setattr(update(files).field[0], "number", 9),
    "a name differs": lambda files: setattr(update(files).field[0], "name", "plus"),
    "a type differs": lambda files: setattr(weighted_addr(files).field[1], "type", 7),
    "a label differs": lambda files: setattr(weighted_addr(files).field[1], "label", 3),
    "a field has presence": lambda files: setattr(
        weighted_addr(files).field[1], "proto3_optional", True
    ),
    "a field left its oneof": lambda files: update(files).field[0].ClearField("oneof_index"),
    "a oneof has another name": lambda files: setattr(update(files).oneof_decl[0], "name", "x"),
    "a map is a list": show_map_entries,
    "an enum value differs": lambda files: setattr(scheme(files).value[1], "number", 5),
    "an enum value is extra": lambda files: scheme(files).value.add(name="FTP", number=2),
    "a message is deprecated": lambda files: setattr(update(files).options, "deprecated", True),
    "a reserved number is free": lambda files: message_named(
        files, "io.linkerd.proxy.destination", "TlsIdentity"
    ).ClearField("reserved_range"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_any_difference_is_seen(defect: str) -> None:
    files = stub_files()
    DEFECTS[defect](files)
    assert difference(files) != (set(), set())
