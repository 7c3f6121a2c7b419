"""`./radlab course new`: a whole small module that passes its own proof, to be written over."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hub_config.errors import BadInput, Conflict
from hub_config.machine import checkout
from hub_config.offers.prose import digest

_ID = re.compile(r"\d{2}_[a-z][a-z0-9]*(_[a-z0-9]+)*")
_EXERCISES = {
    "double": ("twice the number", "两倍", "number * 2", "number + 2", "It adds two."),
    "half": ("half the number", "一半", "number / 2", "number * 2", "It doubles."),
    "square": ("the number times itself", "平方", "number**2", "number * 2", "It doubles it."),
    "negative": ("the number below zero", "相反数", "-number", "abs(number)", "It stays above."),
}
_QUESTIONS = ("one", "two", "three", "four", "five")


class NoNewModule(BadInput):
    """A new module cannot bear that name."""

    code = "no_new_module"


class FolderTaken(Conflict):
    """There is something in that folder already."""

    code = "folder_taken"


@click.command("new")
@click.argument("id", metavar="ID")
@click.option(
    "--in",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the module's own is made in; default: courses/ of this checkout.",
)
def command(id: str, parent: Path | None) -> None:
    """Make a whole small module, in two languages, that passes `./radlab course check`.

    ID is two digits and words, such as 20_my_lesson.
    """
    if not _ID.fullmatch(id):
        raise NoNewModule(
            "'{id}' cannot be the id of a module.",
            given=id,
            do="Write two digits and small words, such as 20_my_lesson.",
            id=id,
        )
    folder = (parent or checkout.root() / "courses") / id
    if folder.exists():
        raise FolderTaken(
            "{folder} is there already.",
            given=str(folder),
            do="Choose another id, or work on that one.",
            folder=folder,
        )
    for name, content in files(id).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    click.echo(f"{folder}: a whole module. Start with lesson.py; then")
    click.echo(f"  ./radlab course words {folder} --write    what is to be translated")
    click.echo(f"  ./radlab course check {folder}            prove it")
    click.echo(f"  ./radlab course publish {folder} --to GROUP")


def files(id: str) -> dict[str, str]:
    """Each file of the new module, by its path below the folder."""
    lesson = _lesson(id)
    wrong = {
        f"wrong/{name}_other.py": f"# says: {told}\ndef {name}(number):\n    return {bad}\n"
        for name, (_, _, _, bad, told) in _EXERCISES.items()
    }
    words = {"en": "A new module", "zh_CN": "一个新模块"}
    return {
        "module.yaml": _metadata(id, words),
        "lesson.py": lesson,
        "lesson.zh.md": _prose(),
        "exercises.yaml": "".join(map(_exercise, _EXERCISES)),
        "quiz.yaml": "".join(map(_question, _QUESTIONS)),
        "claims.yaml": _CLAIMS,
        "checks.py": _checks(),
        "instructor.md": f"# {id}: how to teach it\n\nTiming, board questions, typical mistakes.\n",
        "README.md": (
            f"# {id}: its idea in one line\n\nStart reading here: [lesson.py](lesson.py).\n\n"
            "Add one here: an exercise stands in lesson.py, exercises.yaml, checks.py, wrong/.\n\n"
            "Never import this folder; students get a copy of the built notebooks.\n"
        ),
        **wrong,
    }


def _metadata(id: str, words: dict[str, str]) -> str:
    return f"""# Metadata of this module. Schema: hub_config/offers/modules.py.
id: {id}
version: 1.0.0
order: {int(id[:2])}
title: {{en: {words["en"]}, zh_CN: {words["zh_CN"]}}}
summary: {{en: What it is about., zh_CN: 它讲什么。}}
objectives:
  en: [Say what a student can do afterwards.]
  zh_CN: [写明学生学完后会做什么。]
minutes: 45
image: imaging
cpu_ok: true
cpus: 2
memory_gb: 3
languages: [en, zh_CN]
budgets:
  class: {{seconds: 180, memory_gb: 3, set: {{steps: 100}}}}
  ci: {{seconds: 60, set: {{steps: 10}}}}
"""


_CARD = ("# A new module", "**Its one idea, in one sentence.**")
_CARD_ZH = ("# 一个新模块", "**一句话说出它的核心。**")
_TAKE = ("## Take away", "What stays, and what was not shown.")
_TAKE_ZH = ("## 带走什么", "留下的是什么，没有说明的是什么。")


def _lesson(id: str) -> str:
    gaps = "\n\n".join(
        f'# %% name="{name}"\ndef {name}(number):\n    # BEGIN SOLUTION\n    return {good}\n'
        f"    # END SOLUTION\n\n\n"
        f'# %% name="check-{name}"\npage.check("{name}")'
        for name, (_, _, good, _, _) in _EXERCISES.items()
    )
    card, take = ("\n#\n# ".join(parts) for parts in (_CARD, _TAKE))
    return f'''# %% [markdown] name="card"
# {card}

# %% name="imports"
import matplotlib.pyplot as plt
import numpy as np

from course_kit import open_page

page = open_page("{id}", globals())

# %% name="parameters" tags=["parameters"]
steps = 100
seed = 1

# %% name="desk"
desk = page.desk()

# %% name="picture" tags=["folded"]
walk = np.random.default_rng(seed).standard_normal(steps).cumsum()
plt.plot(walk)
plt.show()
page.claim("steps", len(walk))

{gaps}

# %% name="quiz"
page.quiz()

# %% [markdown] name="take-away"
# {take}

# %% name="finish"
page.finish()
'''


def _prose() -> str:
    pairs = [("card", _CARD, _CARD_ZH), ("take-away", _TAKE, _TAKE_ZH)]
    return "\n".join(
        f"<!-- {cell} {digest(text)} -->\n{said}\n"
        for cell, english, chinese in pairs
        for text, said in zip(english, chinese, strict=True)
    )


def _exercise(name: str) -> str:
    english, chinese, *_ = _EXERCISES[name]
    return f"""- id: {name}
  objective: 1
  points: 1
  answer: {name}
  title: {{en: {english}, zh_CN: {chinese}}}
  hints:
    - {{en: "What does the name say?", zh_CN: "名字说的是什么？"}}
    - {{en: The answer is one line., zh_CN: 答案只有一行。}}
    - {{en: "Begin it with: return", zh_CN: 以 return 开头。}}
  check: {name}
"""


def _question(name: str) -> str:
    return f"""- id: {name}
  objective: 1
  ask: {{en: "Question {name}: is this module finished?", zh_CN: "问题 {name}：这个模块写完了吗？"}}
  options:
    - text: {{en: Not yet., zh_CN: 还没有。}}
      right: true
      why: {{en: You have only begun., zh_CN: 你才刚开始。}}
    - text: {{en: It is., zh_CN: 写完了。}}
      why: {{en: These are the words that it came with., zh_CN: 这些还是它自带的文字。}}
"""


_CLAIMS = """claims:
- id: steps
  in: card
  text: ""
  says: {en: the walk has at least ten steps, zh_CN: 至少走十步}
  relation: ">="
  bound: 10
  profiles: [ci, class]
facts: []
"""


def _checks() -> str:
    functions = [
        f'''def {name}(answer):
    """{english.capitalize()}."""
    need_function(answer, "{name}", 3)
    if near(answer(3), {bad.replace("number", "3")}):
        raise Wrong(en="{told} Wanted: {english}.", zh_CN="要的是{chinese}。")
    if not near(answer(3), {good.replace("number", "3")}):
        raise Wrong(en=f"3 gives {{answer(3)}}. Wanted: {english}.", zh_CN="要的是{chinese}。")
'''
        for name, (english, chinese, good, bad, told) in _EXERCISES.items()
    ]
    head = '"""Checks of this module; each gets the answer alone."""\n\n'
    head += "from course_kit.checking import Wrong, near, need_function\n"
    return "\n\n".join([head, *functions])
