"""Studies of tables: parameters whose results are known, so that a whole study runs in seconds.

In a study file `table` stands in the place of `space`, `data` and `objectives`: a published table by its name
(``mnas_moo.objectives.tabular.published``), or a file of somebody's past trials. Every trial is a look-up.

    table: anb-zcu102
    table: {file: past.csv, parameters: [width, depth], objectives: {accuracy: maximize, latency_ms: minimize}}
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from mnas_moo.objectives.objective import Direction
from mnas_moo.study_file.document import shown
from mnas_moo.study_file.parts import Count, Part
from mnas_moo.study_file.study import StudyFile

if TYPE_CHECKING:
    from mnas_moo.objectives.tabular.problem import TabularProblem
    from mnas_moo.study_file.document import Key, StudyError

FOLDER_VARIABLE = "MNAS_MOO_TABLES"
"""Environment variable: the folder of the published tables."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Table(Part):
    """A published table by its name, or a file and what its columns are."""

    bench: Annotated[str | None, Field(min_length=1)] = None
    file: Annotated[str | None, Field(min_length=1)] = None
    parameters: list[str] | None = None
    objectives: dict[str, Direction] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"bench": value}
        if isinstance(value, dict):
            return value
        allowed = "the name of a published table, or {file: …, parameters: […], objectives: {…}}"
        problem = f"is {shown(value)}; it must be {allowed}"
        raise PydanticCustomError("part", "{problem}", {"problem": problem})

    @model_validator(mode="after")
    def _one_kind(self) -> Table:
        of_file = {"file": self.file, "parameters": self.parameters, "objectives": self.objectives}
        given = [name for name, value in of_file.items() if value]
        problem = ""
        if self.bench is not None and given:
            problem = f"has bench and {given[0]}; a published table needs nothing but its name"
        elif self.bench is None and len(given) < len(of_file):
            missing = next(name for name in of_file if name not in given)
            problem = f"has no {missing}; a table of one's own needs file, parameters and objectives"
        if problem:
            raise PydanticCustomError("part", "{problem}", {"problem": problem})
        return self


class Limits(Part):
    """The range of a number within which a trial is feasible."""

    max: Finite | None = None
    min: Finite | None = None

    @model_validator(mode="after")
    def _any(self) -> Limits:
        problem = ""
        if self.max is None and self.min is None:
            problem = "has no bound; give max, min or both"
        elif self.max is not None and self.min is not None and self.min > self.max:
            problem = f"asks for at least {self.min} and at most {self.max}; no trial can have both"
        if problem:
            raise PydanticCustomError("part", "{problem}", {"problem": problem})
        return self


class TabularStudy(StudyFile):
    """A study of a table.

    Attributes:
        table: the table that holds parameters and results.
        constraints: bounds on the numbers of a feasible trial, which may be any quantity of the table.
    """

    table: Table
    trials: Count
    constraints: dict[str, Limits] = Field(default_factory=dict)

    replaced: ClassVar[tuple[str, ...]] = ("space", "data", "objectives")
    """Keys of studies of networks that a study of a table must not have."""

    _problem: TabularProblem | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _table_alone(cls, value: Any) -> Any:
        for key in cls.replaced:
            if key in value:
                problem = "cannot stand beside table, which has its own parameters and objectives"
                raise PydanticCustomError("unknown", "{problem}", {"key": key, "problem": problem})
        return value

    @property
    def problem(self) -> TabularProblem:
        """The table as a problem; read once.

        Raises:
            StudyError: the table, one of its columns or files is missing, or has values that are not allowed.
        """
        if self._problem is None:
            from mnas_moo.objectives.tabular.published import DPPNET, bench_table
            from mnas_moo.objectives.tabular.rows import read_table

            try:
                if self.table.bench is not None:
                    folder = "" if self.table.bench in DPPNET else self._folder()  # those come with the package
                    self._problem = bench_table(self.table.bench, folder, bounds=self.limits)
                else:
                    self._problem = read_table(
                        self.table.file or "",
                        parameters=self.table.parameters or [],
                        objectives=self.table.objectives or {},
                        bounds=self.limits,
                    )
            except (ValueError, OSError) as error:
                raise self._blame(error) from error
        return self._problem

    def _folder(self) -> str:
        folder = self._tables or os.environ.get(FOLDER_VARIABLE)
        if not folder:
            raise ValueError(
                f"{self.table.bench} is a published table; say where the tables are: --tables DIR, or in the "
                f"environment variable {FOLDER_VARIABLE}"
            )
        return folder

    def _blame(self, error: Exception) -> StudyError:
        text = str(error)
        guilty = [name for name in self.constraints if repr(name) in text]
        where: Key = ("constraints", guilty[0]) if guilty else ("table",)
        return self.error(where, f": {text}")

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives, in the order of a trial's values."""
        return tuple(self.problem.directions)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whether each objective is maximised or minimised."""
        return tuple(self.problem.directions.values())

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained quantity -> (min, max)."""
        return {name: (limits.min, limits.max) for name, limits in self.constraints.items()}
