"""SVG elements as safe text. Colours are classes, so that light, dark and print share one drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from service.reports.html.figures import visible


def tag(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """One element; texts and attributes are escaped. `class_` is class, `stroke_width` is stroke-width."""
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(_plain(value)))}"' for key, value in attributes.items()
    )
    inside = Markup("").join(escape(visible(child)) for child in children)
    return Markup("<{}{}>{}</{}>").format(Markup(name), Markup("".join(pairs)), inside, Markup(name))  # noqa: S704


def group(children: Iterable[Markup], **attributes: str | float) -> Markup:
    return tag("g", *children, **attributes)


def picture(
    width: int, height: int, title: str, children: Iterable[Markup], class_: str = "", **data: str | float
) -> Markup:
    """A drawing that scales with its place and is read out as `title`. data: attributes for the page's script."""
    return tag(
        "svg",
        tag("title", title),
        *children,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_=f"chart {class_}".strip(),
        **data,
        preserveAspectRatio="xMinYMid meet",
    )


def line(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    path = " ".join(f"{'M' if i == 0 else 'L'}{_plain(x)} {_plain(y)}" for i, (x, y) in enumerate(points))
    return tag("path", d=path, class_=f"line {class_}")


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
