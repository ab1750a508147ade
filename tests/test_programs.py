"""Programs in other languages, models and functions of JAX before the judge; and what does not keep to the protocol."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softproof
from softproof import Problem, load
from softproof.candidates.adapters.program import Program, ProgramError

PROGRAMS = Path(__file__).parent.parent / "examples" / "programs"


def _needs(tool: str) -> str:
    return shutil.which(tool) or pytest.skip(f"no {tool} on this machine")


# ---- other languages ------------------------------------------------------------------------------------------------


def test_the_program_in_c_agrees(tmp_path: Path) -> None:
    """A softmax with its gradient."""
    program = tmp_path / "softmax"
    subprocess.run([_needs("cc"), "-O2", "-o", program, PROGRAMS / "softmax.c", "-lm"], check=True)
    report = softproof.verify(shlex.quote(str(program)), adapter="process", seed=0, examples=30)
    report.check()

    assert [(row.dtype, row.asked.gradients) for row in report.rows] == [("float32", True)]


def test_a_program_in_c_that_is_wrong_disagrees(tmp_path: Path) -> None:
    """Without the shift by the largest logit."""
    source = (PROGRAMS / "softmax.c").read_text()
    assert "expf(z[i] - m)" in source
    (tmp_path / "wrong.c").write_text(source.replace("expf(z[i] - m)", "expf(z[i])"))
    subprocess.run([_needs("cc"), "-o", tmp_path / "wrong", tmp_path / "wrong.c", "-lm"], check=True)
    report = softproof.verify(shlex.quote(str(tmp_path / "wrong")), adapter="process", seed=0, examples=30)

    assert not report.ok
    assert "adapter='process'" in report.rows[0].failure.snippet  # type: ignore[union-attr]  # there is one


def test_the_program_in_javascript_agrees() -> None:
    """A loss with its gradient, which says what it does not take."""
    command = shlex.join([_needs("node"), str(PROGRAMS / "cross_entropy.js")])
    report = softproof.verify(command, adapter="process", seed=0, examples=30)
    report.check()

    assert [(row.dtype, row.asked.gradients) for row in report.rows] == [("float64", True)]
    assert {"probabilities", "unbatched", "weight", "reduction"} <= set(report.rows[0].asked.unsupported)


# ---- the protocol ---------------------------------------------------------------------------------------------------


GREETING = "softproof 2\noperation softmax\ndtype float64\ntakes dim\nend\n"


def _program(tmp_path: Path, body: str, greeting: str = GREETING) -> str:
    """A command that greets, and runs `body` for each question, with `out` the standard output."""
    lines = f"""
        import sys
        import numpy as np
        read, out = sys.stdin.buffer, sys.stdout.buffer
        read.readline()
        out.write({greeting!r}.encode())
        out.flush()
        while question := read.readline():
            out.write(question.replace(b"question", b"answer"))
            options, arrays = {{}}, {{}}
            while (words := read.readline().decode().split())[0] != "end":
                if words[0] == "option":
                    options[words[1]] = words[2]
                else:
                    shape = tuple(map(int, words[4:]))
                    size = int(np.prod(shape)) * np.dtype(words[2]).itemsize
                    arrays[words[1]] = np.frombuffer(read.read(size), words[2]).reshape(shape)
            def answer(name, x):
                out.write(" ".join(["array", name, x.dtype.name, str(x.ndim), *map(str, x.shape)]).encode() + b"\\n")
                out.write(x.tobytes())
    """
    file = tmp_path / "program.py"
    text = textwrap.dedent(lines) + textwrap.indent(textwrap.dedent(body), "    ") + "\n    out.flush()\n"
    file.write_text(text)
    return shlex.join([sys.executable, str(file)])


SOFTMAX = """
    z, dim = arrays["logits"], int(options.get("dim", -1))
    e = np.exp(z - z.max(dim, keepdims=True))
    answer("value", e / e.sum(dim, keepdims=True))
    out.write(b"end\\n")
"""
QUESTION = Problem("softmax", "float64", {"logits": [[0.0, 1.0]]}, {"dim": 0})


def test_a_program_is_asked_what_it_says_it_takes(tmp_path: Path) -> None:
    """Options, dtypes, dimensions; and no gradients where it has none."""
    candidate = load(_program(tmp_path, SOFTMAX), adapter="process")

    assert candidate.operations == ("softmax",)
    assert candidate.dtypes == ("float64",)
    assert "dim" in candidate.supports("softmax")
    assert "dim" not in load(candidate.name, adapter="process", supports=[]).supports("softmax")
    assert not candidate.differentiates("softmax")
    assert softproof.judge(candidate, QUESTION).outcome == "agrees"


BROKEN = {
    "ends": ("sys.exit(3)", "the program ended with exit status 3, in place of an answer"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "the program ended with SIGSEGV, in place of an answer"),
    "reports an error": ("out.write(b'error no memory\\n')", "no memory"),
    "answers nothing": ("out.write(b'end\\n')", "the answer has no array; expected value"),
    "answers something else": (
        "answer('loss', arrays['logits']); out.write(b'end\\n')",
        "the answer has loss; expected value",
    ),
    "prints": ("out.write(b'hello\\n')", "it wrote 'hello'; expected 'array', 'end' or 'error'"),
    "strange shape": ("out.write(b'array value float64 2 3\\n')", "expected 'array NAME DTYPE NDIM SIZE"),
    "strange dtype": ("out.write(b'array value float8 1 3\\n')", "it announced an array by 'array value float8 1 3'"),
    "announces too much": (
        "out.write(b'array value float64 1 99999999999999\\n')",
        "that is too many bytes, or",
    ),
    "announces more than there is": (
        "out.write(b'array value float64 4' + b' 4294967296' * 4 + b'\\n')",
        "too many",
    ),
    "announces one array twice": (
        "answer('value', arrays['logits']); answer('value', arrays['logits'])",
        "one too many",
    ),
    "never ends a line": ("out.write(b'x' * 5000)", "it wrote a line of more than 4096 bytes"),
}


@pytest.mark.parametrize(("body", "words"), BROKEN.values(), ids=BROKEN)
def test_what_a_program_does_wrong_is_told(tmp_path: Path, body: str, words: str) -> None:
    """With the problem that it was asked, and the next question starts it again."""
    candidate = load(_program(tmp_path, body), adapter="process")
    first, second = candidate.answer(QUESTION), candidate.answer(QUESTION)

    assert first.raised is not None
    assert words in first.raised
    assert second.raised == first.raised


def test_a_program_that_crashes_once_is_asked_again(tmp_path: Path) -> None:
    """The run goes on."""
    body = f"if arrays['logits'].max() > 5: sys.exit(1)\n{textwrap.dedent(SOFTMAX)}"
    candidate = load(_program(tmp_path, body), adapter="process")
    large = Problem("softmax", "float64", {"logits": [[0.0, 9.0]]}, {"dim": 0})

    assert candidate.answer(large).raised is not None
    assert softproof.judge(candidate, QUESTION).outcome == "agrees"


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        ("hello\n", "the first line is 'hello'; expected 'softproof 2'"),
        ("softproof 1\n", "the first line is 'softproof 1'; expected 'softproof 2'"),
        ("softproof 2\nend\n", "it named no operation, or no dtype"),
        ("softproof 2\noperation argmax\nend\n", "it described itself by 'operation argmax'"),
        ("softproof 2\n\nend\n", "it described itself by ''"),
        ("softproof 2\n" + "gradients\n" * 5000, "it described itself by 1000 lines, and more"),
        ("softproof 2\ndtype float8\nend\n", "it described itself by 'dtype float8'"),
        ("softproof 2\noperation softmax\nfixed dim last\nend\n", "it fixed dim at 'last'; expected a number"),
        (GREETING.replace("dim", "weight"), "supports names weight"),
    ],
)
def test_a_program_that_describes_itself_wrongly(tmp_path: Path, greeting: str, words: str) -> None:
    """Is an error before anything is asked."""
    with pytest.raises(ValueError, match=words):
        load(_program(tmp_path, SOFTMAX, greeting), adapter="process")


def test_a_program_that_does_not_start() -> None:
    """Neither does a run."""
    with pytest.raises(ValueError, match=r"target './nowhere --fast': .*No such file"):
        load("./nowhere --fast", adapter="process")
    with pytest.raises(ValueError, match="the program ended with exit status 1, in place of an answer"):
        load(f"{sys.executable} -c 'raise SystemExit(1)'", adapter="process")
    for unused in ({"names": {"dim": "axis"}}, {"extra": {"fast": True}}, {"output": 1}):
        with pytest.raises(ValueError, match="a program is asked by the names of the protocol, and nothing else"):
            load("./nowhere", adapter="process", **unused)
    with pytest.raises(TypeError, match="target is a list; expected a command"):
        load(["./softmax"], adapter="process")  # type: ignore[arg-type]  # that is the mistake


def test_another_operation_than_the_program_has(tmp_path: Path) -> None:
    """Both are named."""
    with pytest.raises(ValueError, match=r"operation is 'linear'; .* says that it computes 'softmax'"):
        load(_program(tmp_path, SOFTMAX), operation="linear", adapter="process")


def test_numbers_go_through_bit_by_bit(tmp_path: Path) -> None:
    """Empty arrays, labels, NaN and -0 as well."""
    body = "\n".join(f"answer({name!r}, arrays[{name!r}])" for name in ("x", "y", "z")) + "\nout.write(b'end\\n')"
    program = Program(_program(tmp_path, body))
    sent: dict[str, Any] = {"x": np.array([-0.0, np.nan, 1e-310]), "y": np.array([[2**40]]), "z": np.zeros((0, 3))}
    found = program.ask(sent, {})

    assert all(np.array_equal(found[name], sent[name], equal_nan=True) for name in sent)
    assert np.signbit(found["x"][0])
    assert found["y"].dtype == np.int64
    assert found["z"].shape == (0, 3)
    with pytest.raises(ProgramError):
        Program(_program(tmp_path, "sys.exit(1)")).ask(sent, {})


# ---- JAX ------------------------------------------------------------------------------------------------------------


def test_functions_of_jax_are_differentiated_by_jax(thorough: bool) -> None:
    """Value, gradient and both derivatives in a direction; with subnormals flushed, as XLA does on a CPU."""
    pytest.importorskip("jax")
    report = softproof.verify("jax.nn:log_softmax", adapter="jax", seed=0, examples=15 if thorough else 5,
                              arithmetic="flush-to-zero", without=["scalars"])  # fmt: skip
    report.check()

    assert all(row.asked.gradients for row in report.rows)
    assert not {"jvp", "hvp", "dim"} & set(report.rows[0].asked.unsupported)
    assert {"after another backward", "no gradients"} <= {check for row in report.rows for check in row.asked.checks}


def test_a_wrong_rule_of_jax_disagrees() -> None:
    """A custom backward pass that forgets the upstream gradient, and one whose forward pass is another function."""
    jax = pytest.importorskip("jax")
    right = jax.nn.logsumexp

    def once(x: Any) -> Any:
        return right(x, axis=-1)

    logsumexp = jax.custom_vjp(once)
    logsumexp.defvjp(lambda x: (right(x, axis=-1), x), lambda x, _g: (jax.nn.softmax(x),))
    report = softproof.verify(logsumexp, operation="logsumexp", adapter="jax", seed=0,
                              dtypes=["float32"], arithmetic="flush-to-zero",
                              without=["jvp", "hvp", "scalars", "several_dims"])  # fmt: skip
    assert report.rows[0].failure is not None
    assert report.rows[0].failure.verdict.output == "grad_logits"

    def twice(x: Any) -> Any:
        return 2 * right(x, axis=-1)

    other = jax.custom_vjp(twice)
    other.defvjp(lambda x: (right(x, axis=-1), x), lambda x, g: (g[..., None] * jax.nn.softmax(x),))
    question = Problem("logsumexp", "float32", {"logits": [0.0, 1.0]}, {}, 1.0)
    candidate = load(other, operation="logsumexp", adapter="jax")
    assert softproof.judge(candidate, question).outcome == "agrees"
    found = softproof.check_behaviour(candidate, question, check="no gradients")
    assert "with requires_grad for nothing" in str(found)


def test_an_answer_of_jax_with_another_shape_is_told() -> None:
    """Before JAX refuses the upstream gradient."""
    jax = pytest.importorskip("jax")
    candidate = load(lambda logits, dim: jax.nn.softmax(logits, dim)[..., :1], "softmax", "jax")
    problem = Problem("softmax", "float32", {"logits": [[0.0, 1.0]]}, {"dim": -1}, [[1.0, 0.5]])

    assert "value has shape (1, 1); expected (1, 2)" in str(softproof.judge(candidate, problem))


def test_arrays_of_jax_are_told_by_the_module() -> None:
    """Without a word about the adapter."""
    jax = pytest.importorskip("jax")
    space: dict[str, Any] = {"jax": jax}
    exec("def softmax(logits, axis=-1):\n    return jax.lax.exp(logits) * 0 + jax.nn.softmax(logits, axis)", space)

    assert load(space["softmax"], tried=False).adapter == "jax"


def test_jax_has_no_device_of_that_name() -> None:
    """Which is an error with its name."""
    pytest.importorskip("jax")
    with pytest.raises(ValueError, match="device is 'cuda:9'; JAX cannot use it"):
        softproof.verify("jax.nn:softmax", adapter="jax", device="cuda:9")


# ---- ONNX -----------------------------------------------------------------------------------------------------------


def _model(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]],
    output: tuple[int, list[Any]],
    more: dict[str, tuple[int, list[Any]]] | None = None,
) -> str:
    """A model file of these nodes, whose outputs are `more`, and `y`."""
    from onnx import helper, save

    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, *about) for name, about in {**(more or {}), "y": output}.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def _softmax_model(path: Path, shape: list[Any], axis: int = -1, kind: int = 1) -> str:
    from onnx import helper

    node = helper.make_node("Softmax", ["x"], ["y"], axis=axis)
    return _model(path, [node], {"x": (kind, shape)}, (kind, shape))


# ONNX Runtime gives 0 for exponentials below 2^-126: exp(-89) in float32, and so softmax([0, 89])[0]
FLUSHES = "flush-to-zero"


@pytest.fixture
def runtime() -> Any:
    """ONNX Runtime, and onnx to write models with."""
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def test_a_model_is_judged(runtime: Any, tmp_path: Path) -> None:
    """In the dtype and the dimensions that it declares; a session the same way."""
    path = _softmax_model(tmp_path / "softmax.onnx", ["N", "C"])
    report = softproof.verify(path, operation="softmax", seed=0, examples=30, arithmetic=FLUSHES)
    report.check()

    assert [(row.implementation, row.dtype, row.asked.gradients) for row in report.rows] == [
        ("softmax.onnx", "float32", False)
    ]
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    softproof.verify(session, operation="softmax", adapter="onnx", seed=0, examples=10, arithmetic=FLUSHES).check()


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(("fixed", "ok"), [({"dim": 0}, True), ({}, False)], ids=["said", "not said"])
def test_the_axis_of_a_model_is_said(tmp_path: Path, fixed: dict[str, Any], ok: bool) -> None:
    """Otherwise it is the last."""
    path = _softmax_model(tmp_path / "softmax.onnx", ["N", "C"], axis=0)

    report = softproof.verify(path, operation="softmax", fixed=fixed, seed=0, examples=30, arithmetic=FLUSHES)

    assert report.ok == ok


@pytest.mark.usefixtures("runtime")
def test_a_loss_of_onnx_with_class_weights(tmp_path: Path) -> None:
    """The third input of the graph is the weight, if somebody says so."""
    from onnx import helper

    node = helper.make_node("SoftmaxCrossEntropyLoss", ["x", "t", "w"], ["y"], reduction="none")
    taken = {"x": (1, ["N", "C"]), "t": (7, ["N"]), "w": (1, ["C"])}
    path = _model(tmp_path / "loss.onnx", [node], taken, (1, ["N"]))
    terms: dict[str, Any] = {"operation": "cross_entropy", "fixed": {"reduction": "none"}}
    with pytest.raises(
        ValueError, match="the model takes x, t, w; cross_entropy gives logits, target, and by name weight"
    ):
        load(path, **terms)

    candidate = load(path, **terms, names={"weight": "w"})
    inputs: dict[str, Any] = {"logits": [[0.0, 1.0]], "target": [1]}
    for weight in ({"weight": [1.0, 2.0]}, {}):  # which the graph wants, whether there is one or not
        question = Problem("cross_entropy", "float32", {**inputs, **weight}, {"reduction": "none"})
        assert softproof.judge(candidate, question).outcome == "agrees"


@pytest.mark.usefixtures("runtime")
def test_one_of_several_outputs_of_a_model(tmp_path: Path) -> None:
    """Is counted from 0, in the snippet too."""
    from onnx import helper

    nodes = [helper.make_node("Identity", ["x"], ["z"]), helper.make_node("Softmax", ["x"], ["y"], axis=-1)]
    path = _model(tmp_path / "two.onnx", nodes, {"x": (1, ["N", "C"])}, (1, ["N", "C"]), more={"z": (1, ["N", "C"])})

    softproof.verify(path, operation="softmax", output=1, seed=0, examples=10, arithmetic=FLUSHES).check()
    failure = softproof.verify(path, operation="softmax", output=0, seed=0, examples=10).rows[0].failure
    assert failure is not None
    assert "output=0)" in failure.snippet
    assert load(path, operation="softmax", output="y").interface.output == 1
    for missing in (2, "x"):
        with pytest.raises(ValueError, match=f"output is {missing}; counted from 0, the model has z, y"):
            load(path, operation="softmax", output=missing)
    with pytest.raises(ValueError, match=r"extra is {'axis': 0}; a model takes the inputs of its graph alone"):
        load(path, operation="softmax", extra={"axis": 0})


@pytest.mark.usefixtures("runtime")
def test_models_that_do_not_fit(tmp_path: Path) -> None:
    """Each with what it is."""
    with pytest.raises(ValueError, match=r"target 'none.onnx': there is no such file"):
        load("none.onnx", operation="softmax")
    with pytest.raises(ValueError, match=r"cannot infer the operation of none.onnx; pass operation= or --operation"):
        load("none.onnx")
    (tmp_path / "empty.onnx").write_text("")
    with pytest.raises(ValueError, match="ONNX Runtime does not load it"):
        load(str(tmp_path / "empty.onnx"), operation="softmax")
    with pytest.raises(ValueError, match=r"takes x of shape \['N', 10\]; expected no fixed sizes, has \[10\]"):
        load(_softmax_model(tmp_path / "fixed.onnx", ["N", 10]), operation="softmax")
    with pytest.raises(ValueError, match="the model takes x; linear gives input, weight"):
        load(_softmax_model(tmp_path / "softmax.onnx", ["N", "C"]), operation="linear")
