"""The chemistry that tutor and student know: masses, balances, acidity. Pure functions, no agents."""

import math
import re
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

WEIGHTS = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "Na": 22.990, "Mg": 24.305,
    "Al": 26.982, "P": 30.974, "S": 32.06, "Cl": 35.45, "K": 39.098, "Ca": 40.078, "Mn": 54.938,
    "Fe": 55.845, "Cu": 63.546, "Zn": 65.38, "Br": 79.904, "Ag": 107.868, "I": 126.904,
}  # fmt: skip
"""Standard atomic weights, in g/mol."""
_TOKEN = re.compile(r"([A-Z][a-z]?)(\d*)|(\()|\)(\d*)")


class NotChemistry(ValueError):
    """A text that is no formula, no equation, or one that cannot be balanced."""


class Worked(NamedTuple):
    """A result, and how one gets there."""

    result: str
    steps: list[str]


def atoms(formula: str) -> Counter[str]:
    """Count the atoms of each element in a formula such as Ca(OH)2."""
    groups: list[Counter[str]] = [Counter()]
    at = 0
    while at < len(formula):
        token = _TOKEN.match(formula, at)
        if token is None:
            raise NotChemistry(f"{formula}: cannot read {formula[at:]!r}")
        element, number, opening, times = token.groups()
        if element:
            if element not in WEIGHTS:
                raise NotChemistry(f"{formula}: {element} is not in the table")
            groups[-1][element] += int(number or 1)
        elif opening:
            groups.append(Counter())
        else:
            if len(groups) == 1:
                raise NotChemistry(f"{formula}: a bracket is closed that was never opened")
            for inner, count in groups.pop().items():
                groups[-1][inner] += count * int(times or 1)
        at = token.end()
    if len(groups) != 1 or not groups[0]:
        raise NotChemistry(f"{formula or 'nothing'}: not a whole formula")
    return groups[0]


def molar_mass(formula: str) -> Worked:
    """Add up the atomic weights, in g/mol."""
    counted = atoms(formula)
    steps = [f"{count} x {element} = {count * WEIGHTS[element]:.3f}" for element, count in counted.items()]
    total = sum(count * WEIGHTS[element] for element, count in counted.items())
    return Worked(f"{total:.2f} g/mol", steps)


def balance(equation: str) -> Worked:
    """Find the smallest whole numbers that leave as many atoms of each kind on both sides."""
    left, arrow, right = equation.partition("->")
    sides = [[term.strip() for term in side.split("+")] for side in (left, right)]
    if not arrow:
        raise NotChemistry(f"{equation}: an equation has an arrow, ->")
    terms = [atoms(term) for side in sides for term in side]
    signs = [1] * len(sides[0]) + [-1] * len(sides[1])
    elements = sorted(set().union(*terms))
    rows = [
        [Fraction(sign * term[element]) for sign, term in zip(signs, terms, strict=True)]
        for element in elements
    ]
    numbers = iter(_smallest(_kernel(rows, len(terms)), equation))
    told = " -> ".join(
        " + ".join(f"{'' if (n := next(numbers)) == 1 else f'{n} '}{term}" for term in side) for side in sides
    )
    return Worked(told, [f"as many {element} on the left as on the right" for element in elements])


def ph_of_strong_acid(concentration: float) -> Worked:
    """Say how acid a strong acid is that gives one proton.

    :param concentration: mol/L
    """
    if not 0 < concentration <= 1:
        raise NotChemistry("the rule holds up to 1 mol/L")
    ph = -math.log10(concentration)
    return Worked(
        f"pH {ph:.1f}", [f"all of it dissociates: [H+] = {concentration:g} mol/L", "pH = -log10 [H+]"]
    )


def solve(question: str) -> Worked:
    """Answer `molar mass of X`, `balance A + B -> C` or `pH of 0.01 mol/L HCl`."""
    if found := re.fullmatch(r"molar mass of (\S+)", question):
        return molar_mass(found[1])
    if found := re.fullmatch(r"balance (.+)", question):
        return balance(found[1])
    if found := re.fullmatch(r"pH of ([0-9.]+) mol/L \S+", question):
        return ph_of_strong_acid(float(found[1]))
    raise NotChemistry(f"no rule answers {question!r}")


def _kernel(rows: list[list[Fraction]], width: int) -> list[Fraction]:
    """Solve rows * x = 0 with the last of x set to 1 (Gauss and Jordan)."""
    pivots: list[int] = []
    for column in range(width):
        done = len(pivots)
        found = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[done], rows[found] = rows[found], rows[done]
        rows[done] = [value / rows[done][column] for value in rows[done]]
        for i, row in enumerate(rows):
            if i != done and row[column]:
                rows[i] = [a - row[column] * b for a, b in zip(row, rows[done], strict=True)]
        pivots.append(column)
    if pivots != list(range(width - 1)):
        return []
    return [-rows[i][-1] for i in range(width - 1)] + [Fraction(1)]


def _smallest(numbers: list[Fraction], equation: str) -> list[int]:
    if not numbers or min(numbers) <= 0:
        raise NotChemistry(f"{equation}: cannot be balanced in one way")
    whole = math.lcm(*(number.denominator for number in numbers))
    scaled = [int(number * whole) for number in numbers]
    return [number // math.gcd(*scaled) for number in scaled]
