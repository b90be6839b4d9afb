"""NetworkSpec as one line of text and back: MnasNet's official block strings, and tokens for what these leave out.

The block strings are those of tensorflow/tpu models/official/mnasnet (mnasnet_models.py, MnasNetDecoder); input,
stem, head, classifier, activation, epsilon, groups (of both 1x1 convolutions of an MBConv, and of a cell), regular
convolutions and pairs of them, cells, pooling and dense skips and sums of layers are ours. Tokens are separated by
white space and stand in this order (``[]``: may be left out, ``*``: any number)::

    network    = input stem block* [head] [dropout] classifier [activation] [epsilon]
    input      = "in" CHANNELS "x" HEIGHT "x" WIDTH
    stem       = "stem" "_k" KERNEL "_s" STRIDES "_o" CHANNELS ["_bare" | "_mbconv" "_e" EXPANSION] ["_se" RATIO]
                 ["_g" GROUPS] ["_idskip" | "_poolskip"]
    block      = "r" LAYERS "_k" KERNEL "_s" STRIDES "_e" EXPANSION "_i" CHANNELS "_o" CHANNELS ["_se" RATIO]
                 ["_g" GROUPS] ["_conv" | "_bare" | "_basic" | "_cell=" STEPS] ["_noskip" | "_poolskip" | "_dense"]
                 ("+" beside)*
    beside     = "k" KERNEL "_e" EXPANSION ["_se" RATIO] ["_g" GROUPS] ["_conv" | "_basic"] ["_noskip" | "_poolskip"]
    head       = "head_o" CHANNELS                           left out: no 1x1 convolution before pooling
    dropout    = "drop" RATE                                 left out: 0
    classifier = "fc" CLASSES
    activation = "act_" ("relu" | "relu6" | "sigmoid" | "hardswish" | "hardsigmoid" | "none")     left out: relu
    epsilon    = "eps" NUMBER                                left out: 0.001
    STRIDES    = the stride down, then the same stride across: "11", "22"

The parts of a stem or a block, joined by ``_``, may stand in any order after the first. A block is LAYERS equal
layers; the first takes ``i`` channels and has the stride, the others take ``o`` and have stride 1. ``_bare`` is a
convolution without norm and activation, ``_basic`` two convolutions, ``_cell`` a cell of the STEPS of ``cells``, joined
by "-". Without these and ``_conv`` a block's layers are MBConv (with ``e1``: SepConv). Without a skip part every layer
adds its input where the shapes allow it, a stem adds nothing; with ``_dense`` the ``o`` channels are the ``i`` and
those that a layer adds beside them. What stands after ``+`` has the same input, channels and strides, and its result is
added. A spec's name is not part of its text.

>>> from mnas_moo.spaces.text import from_text, to_text
>>> spec = from_text("in3x32x32 stem_k3_s11_o16 r2_k3_s22_e6_i16_o24_se0.25 r1_k5_s11_e1_i24_o24_conv_poolskip fc10")
>>> spec.parameters, [len(block) for block in spec.blocks]
(31876, [2, 1])
>>> print(to_text(spec))  # doctest: +NORMALIZE_WHITESPACE
in3x32x32 stem_k3_s11_o16 r2_k3_s22_e6_i16_o24_se0.25 r1_k5_s11_e1_i24_o24_conv_poolskip fc10 act_relu eps0.001
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.operations import ACTIVATIONS
from mnas_moo.spaces.spec import Layer, NetworkSpec

MOST_CHARACTERS = 2**16
"""Longer texts are refused unread: what a storage holds may have been written by anybody."""
MOST_LAYERS = 1000

_LONGEST_TOKEN = 200
_ORDER = ("in", "stem", "r", "head", "drop", "fc", "act", "eps")
_FORM = {
    "in": "in3x224x224",
    "stem": "stem_k3_s22_o32",
    "r": "r2_k3_s22_e6_i16_o24",
    "head": "head_o1280",
    "drop": "drop0.2",
    "fc": "fc1000",
    "act": "act_relu",
    "eps": "eps0.001",
}
_BLOCK_SKIPS = {"identity": "", "none": "_noskip", "pooling": "_poolskip", "dense": "_dense"}
_CELL = "cell="
_FLAGS = ("conv", "bare", "basic", "noskip", "poolskip", "dense")
_STEM_SKIPS = {"none": "", "identity": "_idskip", "pooling": "_poolskip"}


def to_text(spec: NetworkSpec) -> str:
    """The network as one line; ``from_text`` gives back an equal spec."""
    stem = spec.stem
    tokens = ["in" + "x".join(map(str, spec.input_shape))]
    wide = {"mbconv": f"_mbconv_e{stem.expansion}", "bare": "_bare"}.get(stem.operation, "")
    parts = f"{wide}{_se(stem)}{_groups(stem)}{_STEM_SKIPS[stem.skip]}"
    tokens.append(f"stem_k{stem.kernel}_s{stem.stride}{stem.stride}_o{stem.out_channels}{parts}")
    tokens += blocks_to_text(spec).split()
    tokens += [f"head_o{spec.head}"] if spec.head else []
    tokens += [f"drop{_number(spec.dropout)}"] if spec.dropout else []
    tokens += [f"fc{spec.classes}", f"act_{spec.activation}", f"eps{_number(spec.epsilon)}"]
    return " ".join(tokens)


def blocks_to_text(spec: NetworkSpec) -> str:
    """Only the blocks between stem and head, as block strings."""
    tokens = []
    for block in spec.blocks:
        first = block[0]
        token = (
            f"r{len(block)}_k{first.kernel}_s{first.stride}{first.stride}_e{first.expansion}"
            f"_i{first.in_channels}_o{first.out_channels}{_rest(first)}"
        )
        beside = (f"k{layer.kernel}_e{layer.expansion}{_rest(layer)}" for layer in first.beside)
        tokens.append("+".join([token, *beside]))
    return " ".join(tokens)


def _rest(layer: Layer) -> str:
    kind = "" if layer.operation == "mbconv" else f"_{layer.operation}"
    kind = f"_{_CELL}{'-'.join(layer.cell)}" if layer.cell else kind
    return f"{_se(layer)}{_groups(layer)}{kind}{_BLOCK_SKIPS[layer.skip]}"


def from_text(text: str) -> NetworkSpec:
    """The network that the text describes.

    Raises:
        ValueError: names the token, what was got and what is allowed; or the text is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"a network of {len(text):,} characters is too long; at most {MOST_CHARACTERS:,} are allowed")
    found: dict[str, str] = {}
    layers: list[Layer] = []
    channels, latest = 0, 0
    stem: Layer | None = None
    shape = (0, 0, 0)
    for token in text.split():
        kind = _kind(token)
        if kind != "r" and kind in found:
            raise ValueError(f"token {token!r}: {found[kind]!r} stands before it; one {kind} token is allowed")
        if _ORDER.index(kind) < latest:
            order = " ".join(_FORM[name] for name in _ORDER)
            raise ValueError(f"token {token!r} stands too late; the order is that of: {order}")
        latest = _ORDER.index(kind)
        before = {"stem": "in", "r": "stem"}.get(kind)
        if before and before not in found:
            raise ValueError(f"token {token!r}: no {before} token ({_FORM[before]}) before it")
        found[kind] = token
        if kind == "in":
            shape = _input_shape(token)
            channels = shape[0]
        elif kind == "stem":
            stem = _stem(token, channels)
            channels = stem.out_channels
        elif kind == "r":
            block = _block(token)
            if block[0].in_channels != channels:
                raise ValueError(
                    f"token {token!r}: i{block[0].in_channels} does not fit, the token before it gives {channels} "
                    f"channels; write i{channels}"
                )
            channels = block[-1].out_channels
            layers += block
            if len(layers) > MOST_LAYERS:
                raise ValueError(f"token {token!r} makes {len(layers):,} layers; at most {MOST_LAYERS:,} are allowed")
    missing = [kind for kind in ("in", "stem", "fc") if kind not in found]
    if stem is None or missing:
        raise ValueError(f"network text {_short(text)!r} has no {missing[0]} token ({_FORM[missing[0]]}); add one")
    activation = found["act"].removeprefix("act_") if "act" in found else "relu"
    if activation not in ACTIVATIONS:
        raise unknown(f"token {found['act']!r}: activation", activation, ACTIVATIONS)
    return NetworkSpec(
        input_shape=shape,
        stem=stem,
        layers=tuple(layers),
        head=_integer(found["head"], "o", _parts(found["head"], ("o",), ())["o"]) if "head" in found else 0,
        classes=_integer(found["fc"], "fc", found["fc"][2:]),
        dropout=_decimal(found["drop"], "drop", found["drop"][4:], below=1) if "drop" in found else 0.0,
        activation=activation,
        epsilon=_decimal(found["eps"], "eps", found["eps"][3:], above=0) if "eps" in found else 1e-3,
    )


def blocks_from_text(text: str) -> tuple[Layer, ...]:
    """The layers of block strings, as the official code lists them.

    >>> from mnas_moo.spaces.text import blocks_from_text
    >>> [layer.stride for layer in blocks_from_text("r1_k3_s11_e1_i32_o16_noskip r2_k3_s22_e6_i16_o24")]
    [1, 2, 1]

    Raises:
        ValueError: names the token, what was got and what is allowed. That a block takes what the one before it
            gives is not checked here.
    """
    return tuple(layer for token in text.split() for layer in _block(token))


def _kind(token: str) -> str:
    if len(token) > _LONGEST_TOKEN:
        raise ValueError(f"token {_short(token)!r} has {len(token):,} characters; at most {_LONGEST_TOKEN} are allowed")
    match = re.match(r"(in(?=\d)|stem(?=_)|r(?=\d)|head(?=_)|drop(?=\d)|fc(?=\d)|act(?=_)|eps(?=\d))", token)
    if match is None:
        raise ValueError(f"token {token!r} is none of the network's; allowed: {', '.join(_FORM.values())}")
    return match[1]


def _input_shape(token: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"in(\d+)x(\d+)x(\d+)", token)
    if match is None:
        raise ValueError(f"token {token!r}: allowed is in, CHANNELSxHEIGHTxWIDTH, as in {_FORM['in']!r}")
    channels, height, width = (_integer(token, "in", number) for number in match.groups())
    return channels, height, width


def _stem(token: str, channels: int) -> Layer:
    parts = _parts(token, ("k", "s", "o"), ("e", "se", "g"), ("bare", "mbconv", "idskip", "poolskip"))
    operation = _operation(token, parts, ("bare", "mbconv"), "conv")
    if (operation == "mbconv") != ("e" in parts):
        raise ValueError(f"token {token!r}: mbconv and e stand together; a stem without them is a convolution")
    return _layer(token, parts, operation, channels, _skip(token, parts, _STEM_SKIPS))


def _block(token: str) -> list[Layer]:
    if not token.startswith("r"):
        raise ValueError(f"token {token!r} is no block; allowed is the form {_FORM['r']!r}")
    own, *others = token.split("+")
    parts = _parts(own, ("r", "k", "s", "e", "i", "o"), ("se", "g"), _FLAGS, _CELL)
    shared = {key: parts[key] for key in ("s", "o")}
    channels = _integer(token, "i", parts["i"])
    beside = tuple(
        _module(token, {**_parts(other, ("k", "e"), ("se", "g"), _FLAGS), **shared}, channels) for other in others
    )
    first = dataclasses.replace(_module(token, parts, channels), beside=beside)
    n_layers = _integer(token, "r", parts["r"])
    if n_layers > MOST_LAYERS:
        raise ValueError(f"token {token!r}: part r{n_layers}: at most {MOST_LAYERS:,} layers are allowed")
    layers = [first]
    for _ in range(n_layers - 1):
        layers.append(layers[-1].again)
    return layers


def _module(token: str, parts: Mapping[str, str], channels: int) -> Layer:
    operation = _operation(token, parts, ("conv", "bare", "basic", "cell"), "mbconv")
    return _layer(token, parts, operation, channels, _skip(token, parts, _BLOCK_SKIPS))


def _operation(token: str, parts: Mapping[str, str], named: Sequence[str], unnamed: str) -> str:
    found = [each for each in named if each in parts]
    if len(found) > 1:
        raise ValueError(f"token {token!r} is {' and '.join(found)}; one of them is allowed")
    return found[0] if found else unnamed


def _parts(
    token: str, required: Sequence[str], optional: Sequence[str], flags: Sequence[str] = (), word: str = ""
) -> dict[str, str]:
    """The ``_``-joined parts of a token: letters to number; a flag to ""; what begins with ``word``, to its rest."""
    numbers = (f"{key}NUMBER" for key in (*required, *optional))
    allowed = ", ".join([*numbers, *flags, *([f"{word}STEPS"] if word else [])])
    parts: dict[str, str] = {}
    for part in token.split("_")[token.startswith(("stem", "head")) :]:
        match = re.fullmatch(r"([a-z]+?)(\d[\d.]*(?:e[+-]?\d+)?)", part)
        key, number = (part, "") if part in flags else match.groups() if match else ("", "")
        if word and part.startswith(word):
            key, number = word.rstrip("="), part.removeprefix(word)
        elif key not in (*required, *optional, *flags):
            raise ValueError(f"token {token!r}: part {part!r} is unknown; allowed: {allowed}")
        if key in parts:
            raise ValueError(f"token {token!r}: part {part!r}: {key!r} stands there twice; once is allowed")
        parts[key] = number
    for key in required:
        if key not in parts:
            raise ValueError(f"token {token!r}: part {key}NUMBER is missing; allowed: {allowed}")
    return parts


def _layer(token: str, parts: Mapping[str, str], operation: str, channels: int, skip: str) -> Layer:
    half = len(parts["s"]) // 2
    if half == 0 or parts["s"][:half] != parts["s"][half:]:
        raise ValueError(f"token {token!r}: part s{parts['s']}: allowed is one stride written twice, as in s11 or s22")
    try:
        return Layer(
            operation=operation,
            in_channels=channels,
            out_channels=_integer(token, "o", parts["o"]),
            kernel=_integer(token, "k", parts["k"]),
            stride=_integer(token, "s", parts["s"][:half]),
            expansion=_integer(token, "e", parts.get("e", "1")),
            se_ratio=_decimal(token, "se", parts.get("se", "0")),
            skip=skip,
            groups=_integer(token, "g", parts.get("g", "1")),
            cell=tuple(parts["cell"].split("-")) if "cell" in parts else (),
        )
    except ValueError as error:
        raise error if str(error).startswith("token") else ValueError(f"token {token!r}: {error}") from None


def _skip(token: str, parts: Mapping[str, str], spelt: Mapping[str, str]) -> str:
    kinds = [kind for kind, part in spelt.items() if part and part[1:] in parts]
    if len(kinds) > 1:
        raise ValueError(f"token {token!r} has two skips; one of {', '.join(filter(None, spelt.values()))} is allowed")
    return kinds[0] if kinds else next(kind for kind, part in spelt.items() if not part)


def _integer(token: str, key: str, number: str) -> int:
    if not re.fullmatch(r"\d{1,9}", number) or int(number) < 1:
        raise ValueError(f"token {token!r}: part {key}{number}: a whole number from 1 to 999999999 is allowed")
    return int(number)


def _decimal(token: str, key: str, number: str, above: float = -1.0, below: float = float("inf")) -> float:
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"token {token!r}: part {key}{number}: a number such as 0.25 is allowed") from None
    if not max(above, -1e-300) < value < below:
        low = "above 0" if above == 0 else "from 0"
        raise ValueError(f"token {token!r}: part {key}{number}: a number {low} to below {below} is allowed")
    return value


def _se(layer: Layer) -> str:
    return f"_se{_number(layer.se_ratio)}" if layer.se_ratio else ""


def _groups(layer: Layer) -> str:
    return f"_g{layer.groups}" if layer.groups > 1 else ""


def _number(value: float) -> str:
    return repr(float(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
