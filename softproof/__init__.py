"""Tells, with proof, whether softmax, cross-entropy or a linear classifier, and its gradients, is right.

strategies -> Problem -> implementation -> Result; exact + bounds -> compare -> Verdict -> report.
"""

from .arithmetic import Arithmetic as Arithmetic
from .arithmetic import any_order as any_order
from .bounds import bound as bound
from .compare import Verdict as Verdict
from .conduct import WAYS as WAYS
from .conduct import Conduct as Conduct
from .conduct import conduct as conduct
from .conformance import conformance as conformance
from .database import database as database
from .exact import solve as solve
from .implementation import Candidate as Candidate
from .implementation import Implementation as Implementation
from .interface import Interface as Interface
from .judge import judge as judge
from .judge import judge_refusal as judge_refusal
from .judge import judge_result as judge_result
from .large import large_problems as large_problems
from .laws import LAWS as LAWS
from .laws import laws as laws
from .loading import load as load
from .models import MODELS as MODELS
from .operations import OPERATIONS as OPERATIONS
from .problem import Output as Output
from .problem import Problem as Problem
from .problem import Result as Result
from .report import Report as Report
from .report import Row as Row
from .stages import stages as stages
from .strategies import problems as problems
from .verify import verify as verify
