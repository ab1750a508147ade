"""What a function may compute, by its name and its parameters, and which of these are the inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..problem.operations import OPERATIONS

_TARGETS = ("target", "targets", "label", "labels", "y", "y_true", "t", "truth", "classes", "tgt", "index", "indices",
            "gt", "ground_truth", "tokens", "token_ids", "input_ids", "ids", "actions", "action", "chosen", "gold",
            "label_ids")  # fmt: skip
_LOGITS = ("logits", "logit", "x", "input", "inputs", "scores", "score", "pred", "preds", "predictions", "y_pred", "z",
           "y_hat", "yhat", "predicted", "output", "outputs")  # fmt: skip
_FEATURES = ("input", "inputs", "x", "a", "a_prev", "h", "hidden", "hidden_states", "features", "feats", "e",
             "embeddings", "embed")  # fmt: skip
_WEIGHTS = ("weight", "weights", "w", "linear_weight", "lin_weight", "lm_head_weight", "lm_head", "classifier", "c")
INPUTS = {  # names in use of the inputs of each operation
    "logits": _LOGITS,
    "target": _TARGETS,
    "input": _FEATURES,
    "weight": _WEIGHTS,
    "linear_weight": _WEIGHTS,
    "p_logits": ("p_logits", "logits_p", "teacher_logits", "teacher", "target_logits", "old_logits"),
    "q_logits": ("q_logits", "logits_q", "student_logits", "student", "new_logits"),
    "p": ("p", "prob", "probs", "probabilities", "p_true", "target", "targets", "y_true"),
    "q": ("q", "q_pred", "pred", "preds", "predictions", "y_pred", "y_hat"),
}
_ENTROPY, _DIVERGENCE = ("entropy", "entropies", "h"), ("kl", "kldiv", "kldivergence", "kld", "divergence", "loss")
_LOGARITHMS = ("logprobs", "logprob", "logps", "logp", "logsoftmax", "loglikelihood")
_LOSSES = ("loss", "losses", "nll", "ce", "crossentropy", "xent", "nllloss", "celoss", *_LOGARITHMS)
RESULTS = {  # names in use of the value of each operation, without marks, the most telling first
    "softmax": ("softmax", "probs", "probabilities", "prob", "p", "attention", "weights"),
    "log_softmax": _LOGARITHMS,
    "logsumexp": ("logsumexp", "lse", "logz"),
    "entropy": _ENTROPY,
    "softmax_entropy": _ENTROPY,
    "kl_divergence": _DIVERGENCE,
    "softmax_kl_divergence": _DIVERGENCE,
    "distribution_cross_entropy": _LOSSES,
    "linear": ("logits", "scores"),
    "cross_entropy": _LOSSES,
    "linear_cross_entropy": _LOSSES,
}
_OF_ANY = ("value", "output", "out", "result", "y")
_PLAIN = {  # the one number that changes nothing, of parameters whose names say what they do
    **dict.fromkeys(("temperature", "temp", "tau", "t"), (1.0,)),
    **dict.fromkeys(("reg", "l2", "l2_reg", "l2_lambda", "reg_lambda", "reg_strength", "regularization"), (0.0,)),
    **dict.fromkeys(("z_loss", "z_loss_weight", "z_loss_coef", "z_loss_scale", "z_weight", "lse_square_scale"), (0.0,)),
}
_NEUTRAL = _PLAIN | {  # the same of others that are no option; where it depends, each in turn
    **dict.fromkeys(("lam", "wd", "lambda", "lambd", "lmbda", "weight_decay", "decay", "margin", "gamma"), (0.0,)),
    **dict.fromkeys(("alpha", "beta", "coef", "coeff"), (0.0, 1.0)),
    **dict.fromkeys(("scale", "logit_scale", "loss_scale"), (1.0, 0.0)),
    **dict.fromkeys(("chunk", "chunk_size", "chunks", "num_chunks", "n_chunks", "chunk_rows", "chunk_len"), (8,)),
}
SWITCHES = {"from_logits": True, "is_logits": True, "from_probs": False}  # that a function takes logits
_GRADIENT_SWITCH = re.compile(r"((return|with|compute|needs?|want|calc|get|do)_)?(d?grads?|gradients?|backward)")
_SIZES = {  # of a question, by the names that people give them
    "@classes": ("vocab_size", "vocabulary_size", "vocab", "n_vocab", "num_classes", "n_classes", "num_class",
                 "n_class", "classes", "nclasses", "size", "num_labels", "n_cols", "output_dim", "out_features"),
    "@rows": ("n_rows", "num_rows", "n_tokens", "num_tokens", "n_samples"),
    "@batch": ("batch_size", "batch", "bs"),
    "@features": ("hidden_size", "hidden_dim", "d_model", "n_features", "num_features", "in_features", "hidden",
                  "in_dim", "input_dim", "input_size", "embed_dim", "emb_dim", "n_embd"),
}  # fmt: skip
_LOSS = r"ce|cel|xent|xentropy|nll|crossentropy|crossentropyloss|cross entropy"
_LAST_WORDS = {
    "logits": ("logits", "logit", "scores", "predictions", "preds", "pred", "output", "outputs"),
    "target": ("target", "targets", "label", "labels"),
}
_ANY_WORD = {"p_logits": {"teacher", "t"}, "q_logits": {"student", "s"}}
OF_LOGITS = {"entropy": "softmax_entropy", "kl_divergence": "softmax_kl_divergence"}  # of probabilities, and of logits
_WORDS = (  # what a name has among its words, the most telling first
    ("linear_cross_entropy", rf"(?=.*\b(linear|lm|head)\b).*\b({_LOSS})\b|\b(flce|cce|lce)\b"),
    ("distribution_cross_entropy", r"\b(distribution|soft)\b.*\bcross entropy\b"),
    ("cross_entropy", rf"\b({_LOSS})\b"),
    ("softmax_entropy", r"\b(softmax|logits?)\b.*\bentropy\b|\bentropy\b.*\blogits?\b|\bcategorical entropy\b"),
    ("softmax_kl_divergence", r"(?=.*\b(softmax|logits?)\b).*\bkl( ?div(ergence)?)?\b|\b(kd|distill(ation)?)\b"),
    ("log_softmax", r"\blog ?softmax\b|\blsm\b|\blog ?(p|ps|prob|probs|probabilities)\b"),
    ("softmax", r"\bsoftmax\b|\bsm\b"),
    ("logsumexp", r"\blog ?sum ?exp\b|\blse\b"),
    ("kl_divergence", r"\bkl\b|\bkl ?div(ergence)?\b"),
    ("entropy", r"\bentropy\b"),
    ("linear", r"\b(linear|affine|dense|matmul|gemm|fully connected|fc)\b"),
)


def words_of(name: str) -> str:
    """The words of a name, in small letters.

    >>> words_of("FusedCrossEntropyLoss"), words_of("liger_lse2"), words_of("log2_softmax")
    ('fused cross entropy loss', 'liger lse', 'softmax')
    """
    name = re.sub(r"(?i)(log|exp)2", "", name)  # to base 2, which is no logarithm of a result
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)).lower()


def operation_of(name: str, parameters: Sequence[str]) -> str:
    """The operation that a function of this name is taken for, or of these parameters; empty where nothing tells.

    >>> operation_of("fused_ce", []), operation_of("LinearCE", []), operation_of("my_loss", ["scores", "labels"])
    ('cross_entropy', 'linear_cross_entropy', 'cross_entropy')
    >>> operation_of("selective_log_softmax", []), operation_of("selective_log_softmax", ["logits", "index"])
    ('log_softmax', 'cross_entropy')
    >>> operation_of("batch_logps", ["labels", "logits"]), operation_of("segment", ["pred", "gt"])
    ('cross_entropy', 'cross_entropy')
    >>> operation_of("softmax_loss_vectorized", ["W", "X", "y", "reg"]), operation_of("softmax", ["x", "T"])
    ('linear_cross_entropy', 'softmax')
    >>> operation_of("soft_cross_entropy", ["p", "q"]), operation_of("soft_cross_entropy", ["logits", "probs"])
    ('distribution_cross_entropy', 'cross_entropy')
    >>> operation_of("SoftCrossEntropyLoss", ["y_pred", "y_true", "ignore_index"])
    'cross_entropy'
    >>> operation_of("affine", ["x", "w", "b"]), operation_of("linear_probe", ["x", "w", "b", "y"])
    ('linear', 'linear_cross_entropy')
    >>> operation_of("cross_entropy_dist", ["p", "q"]), operation_of("soft_cross_entropy", ["targets", "logits"])
    ('distribution_cross_entropy', 'cross_entropy')
    >>> operation_of("SoftmaxWithLoss", ["x", "t"]), operation_of("linear_softmax_loss", ["params", "X", "y"])
    ('cross_entropy', 'linear_cross_entropy')
    >>> operation_of("lm_cross_entropy", ["logits", "labels", "reduction"])
    'cross_entropy'
    >>> operation_of("entropy_from_logits", []), operation_of("entropy", ["logits"]), operation_of("entropy", ["p"])
    ('softmax_entropy', 'softmax_entropy', 'entropy')
    >>> operation_of("kl_from_logits", []), operation_of("kl_div", ["student_logits", "teacher_logits"])
    ('softmax_kl_divergence', 'softmax_kl_divergence')
    >>> operation_of("kd_loss", ["logits_student", "logits_teacher"])
    'softmax_kl_divergence'
    >>> operation_of("FusedLinearForPPO", ["hidden_states", "vocab_weights", "input_ids", "temperature"])
    'linear_cross_entropy'
    """
    if name in OPERATIONS and name not in OF_LOGITS:
        return name
    words = words_of(name)
    by_name = next((operation for operation, pattern in _WORDS if re.search(pattern, words)), "")
    first = [_plain(each) for each in parameters[:4]]
    target = next((place for place, each in enumerate(first) if each in _TARGETS), None)
    has_labels = any(_plain(each) in _TARGETS for each in parameters[2:])  # which a layer has not
    if (by_name == "linear" and has_labels) or (by_name == "cross_entropy" and _are_of_a_classifier(parameters)):
        return "linear_cross_entropy"
    of_logits = first and (first[0] in _LOGITS or (first[0] in _TARGETS and "logit" in "".join(first[1:2])))
    ignores = any("ignore" in _plain(each) for each in parameters)
    if by_name == "distribution_cross_entropy" and of_logits and (ignores or "pred" not in first[0]):
        return "cross_entropy"
    if by_name in OF_LOGITS and first and "logit" in first[0]:
        return OF_LOGITS[by_name]
    if by_name == "cross_entropy" and first[:1] in (["p"], ["p_true"]) and first[1:2] and first[1] in INPUTS["q"]:
        return "distribution_cross_entropy"
    if by_name == "linear_cross_entropy" and target == 1 and first[0] in _LOGITS and not set(first) & set(_WEIGHTS):
        return "cross_entropy"  # as of a language model
    of_one = by_name in OPERATIONS and len(OPERATIONS[by_name].inputs) == 1
    layer = target != 1 and set(first) & set(_WEIGHTS) and not set(first) & {"logits", "scores"} and len(first) > 2
    labelled = target == 1 or (target == 0 and len(first) > 1 and first[1] in _LOGITS)
    loss = by_name == "softmax" and len(parameters) > 1 and re.search(r"\bsoftmax (with )?loss\b", words)
    if loss and not labelled and not layer:
        return "linear_cross_entropy" if re.search(r"\b(linear|lm|head)\b", words) else "cross_entropy"
    if target is None or (by_name and not (of_one and (labelled or layer))):
        return by_name
    return "linear_cross_entropy" if layer else "cross_entropy"


def _are_of_a_classifier(parameters: Sequence[str]) -> bool:
    """Whether they are features that can be nothing else, a weight that is not of classes or rows, and labels anywhere.

    >>> _are_of_a_classifier(["hidden_states", "lm_head_weight", "chunk_size", "labels"])
    True
    >>> _are_of_a_classifier(["input", "class_weights", "target"]), _are_of_a_classifier(["x", "w", "t"])
    (False, False)
    """
    plain = [_plain(each) for each in parameters]
    of_layer = len(plain) > 2 and plain[0] in set(_FEATURES) - set(_LOGITS) and _is_weight(plain[1])
    return of_layer and any(each in _TARGETS for each in plain[2:])


def is_weight_of_layer(parameter: str) -> bool:
    """Whether a parameter can be the weight of a layer, by its name.

    >>> is_weight_of_layer("W"), is_weight_of_layer("class_weight"), is_bias("b"), is_bias("bias"), is_bias("x")
    (True, False, True, True, False)
    """
    return _is_weight(_plain(parameter))


def is_bias(parameter: str) -> bool:
    """Whether a parameter can be the bias of a layer, by its name."""
    return _plain(parameter) in ("b", "bias", "biases")


def _is_weight(parameter: str) -> bool:
    """Whether a parameter is called as that of a layer is."""
    of_others = {*words_of(parameter).split()} & {"class", "cls", "pos", "sample", "row", "token", "loss", "label"}
    return parameter in _WEIGHTS or (_last_word(parameter) in ("weight", "weights") and not of_others)


def inputs_in_order(operation: str, parameters: Sequence[str]) -> dict[str, str]:
    """What the inputs are called, where their order is another than ours; empty where it is the same, or unknown.

    Where the first parameters are clearly labels and one other, that is what they are labels of.

    >>> inputs_in_order("cross_entropy", ["labels", "scores"]), inputs_in_order("cross_entropy", ["x", "y"])
    ({'logits': 'scores', 'target': 'labels'}, {})
    >>> inputs_in_order("cross_entropy", ["gold_labels", "net"]), inputs_in_order("cross_entropy", ["y", "t"])
    ({'logits': 'net', 'target': 'gold_labels'}, {})
    >>> inputs_in_order("softmax_kl_divergence", ["logits_student_in", "logits_teacher_in"])
    {'p_logits': 'logits_teacher_in', 'q_logits': 'logits_student_in'}
    """
    names, found = OPERATIONS[operation].inputs, dict[str, str]()
    first = parameters[: len(names)]
    for name in names:
        exact = [each for each in parameters if _plain(each) in INPUTS.get(name, (name,))]
        alike = [each for each in first if _last_word(each) in _LAST_WORDS.get(name, ())]
        alike += [each for each in first if name == "linear_weight" and _is_weight(each)]
        alike += [each for each in first if not _ANY_WORD.get(name, set()).isdisjoint(words_of(each).split())]
        if theirs := next((each for each in (*exact, *alike) if each not in found.values()), None):
            found[name] = theirs
    left = [each for each in first if each not in found.values()]
    missing = [name for name in names if name not in found]
    if len(left) == len(missing) == 1 and _are_labels(found.get("target", "")) and not _are_labels(left[0]):
        found[missing[0]] = left[0]
    order = {name: found.get(name, "") for name in names}
    return {} if "" in order.values() or list(order.values()) == list(first) else order


def _last_word(parameter: str) -> str:
    return next(reversed(words_of(parameter).split()), "")


def _are_labels(parameter: str) -> bool:
    """Whether a parameter can be nothing else."""
    return bool({*words_of(parameter).split()} & {*_LAST_WORDS["target"], "true", "truth", "gold"})


def results_in_order(operation: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of results by name: those that are called as what an operation gives is, the most telling first; the others.

    >>> results_in_order("cross_entropy", ["accuracy", "nll", "ce_loss", "loss", "z_loss"])
    (['loss', 'nll', 'ce_loss'], ['z_loss', 'accuracy'])
    """
    known = (*RESULTS[operation], *_OF_ANY)
    marks = {name: re.sub(r"[^a-z]", "", name.lower()) for name in names}
    telling = sorted((each for each in names if marks[each] in known), key=lambda name: known.index(marks[name]))
    others = [each for each in names if each not in telling]
    return telling, sorted(others, key=lambda name: not marks[name].endswith(RESULTS[operation][:2]))


def neutral_values(parameter: str) -> tuple[float, ...]:
    """The numbers of which one changes nothing, for a parameter that is no option; empty where none is known.

    >>> neutral_values("lambda_"), neutral_values("T"), neutral_values("alpha"), neutral_values("width")
    ((0.0,), (1.0,), (0.0, 1.0), ())
    """
    return _NEUTRAL.get(_plain(parameter), ())


def is_plain(parameter: str) -> bool:
    """Whether a parameter of this name can have a default that changes the value, and one number that does not.

    >>> is_plain("temperature"), is_plain("z_loss"), is_plain("region"), is_plain("scale"), is_plain("gamma")
    (True, True, False, False, False)
    """
    return _plain(parameter) in _PLAIN


def asks_for_gradients(parameter: str) -> bool:
    """Whether a parameter of this name is a switch for a gradient beside the value.

    >>> asks_for_gradients("return_grad"), asks_for_gradients("grad_output")
    (True, False)
    """
    return _GRADIENT_SWITCH.fullmatch(_plain(parameter)) is not None


def size_named(parameter: str) -> str:
    """The size of each question that a parameter of this name is for, as `extra` has it; empty where none is.

    >>> size_named("vocab_size"), size_named("batch_size"), size_named("n_rows"), size_named("k")
    ('@classes', '@batch', '@rows', '')
    """
    return next((size for size, names in _SIZES.items() if _plain(parameter) in names), "")


def gives_logarithms(name: str) -> bool:
    """Whether a function of this name gives log-probabilities.

    >>> gives_logarithms("get_batch_logps"), gives_logarithms("FusedLinearForPPO"), gives_logarithms("log_loss")
    (True, True, False)
    """
    return bool(re.search(r"\blog ?(softmax|p|ps|prob\w*|likelihoods?)\b|\b(ppo|grpo|dpo)\b", words_of(name)))


def is_in_place(name: str) -> bool:
    """Whether a function of this name is meant to overwrite what it is given, as torch's are by their last letter.

    >>> is_in_place("softmax_"), is_in_place("inplace_softmax"), is_in_place("softmaxInPlace"), is_in_place("_softmax")
    (True, True, True, False)
    """
    return name.endswith("_") or bool(re.search(r"\bin ?place\b", words_of(name)))


def _plain(parameter: str) -> str:
    return parameter.lower().strip("_")
