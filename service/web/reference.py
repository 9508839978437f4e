"""The page at /docs: every call, from the application's own OpenAPI description; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def calls(openapi: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each call with its parameters and the properties of its JSON body."""
    models: Mapping[str, Any] = openapi.get("components", {}).get("schemas", {})
    for path, methods in openapi["paths"].items():
        for method, call in methods.items():
            yield {
                "method": method.upper(),
                "path": path,
                "tag": (call.get("tags") or ["other"])[0],
                "summary": call.get("summary", ""),
                "text": call.get("description", ""),
                "parameters": [
                    {
                        "name": p["name"],
                        "place": p["in"],
                        "required": bool(p.get("required")),
                        "type": type_of(p.get("schema", {})),
                        "text": p.get("description", ""),
                    }
                    for p in call.get("parameters", [])
                ],
                "bodies": list(_bodies(call.get("requestBody", {}), models)),
                "answers": sorted(call.get("responses", {})),
            }


def _bodies(body: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One entry for each media type, or for each alternative of a JSON body."""
    for media, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        for choice in schema.get("oneOf") or schema.get("anyOf") or [schema]:
            model = models.get(str(choice.get("$ref", "")).rpartition("/")[2], choice)
            required = model.get("required", [])
            yield {
                "media": media,
                "title": model.get("title", ""),
                "properties": [
                    {"name": k, "type": type_of(v), "required": k in required, "text": v.get("description", "")}
                    for k, v in model.get("properties", {}).items()
                ],
            }


def type_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_of(s) for s in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
