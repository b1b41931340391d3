"""Made-up values of every class, deterministic for a seed: checksums are right, nobody is meant."""

# ruff: noqa: E501 - a pattern is read in one line

import base64
import json
import random
import string
from collections.abc import Callable

import stdnum.br.cpf
import stdnum.de.idnr
import stdnum.es.dni
import stdnum.fr.nir
import stdnum.gb.nhs
import stdnum.in_.aadhaar
import stdnum.it.codicefiscale
import stdnum.luhn
import stdnum.pl.pesel
import stdnum.verhoeff
from faker import Faker

ALNUM = string.ascii_letters + string.digits
BASE64 = ALNUM + "+/"
ICD10 = (
    "E11.9",
    "I10",
    "J45.909",
    "F32.1",
    "M54.5",
    "K21.9",
    "C50.911",
    "S72.001A",
    "Z79.4",
    "N18.3",
    "G43.909",
    "O80",
    "E78.5",
    "J18.9",
)


class Values:
    """Draws values of each class from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fake = {
            name: Faker(name) for name in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL")
        }
        for number, fake in enumerate(self.fake.values()):
            fake.seed_instance(seed + number)

    def of(self, kind: str) -> str:
        """Return a value of a class, in one of its forms."""
        make: Callable[[], str] = getattr(self, kind)
        return make()

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chars(self, alphabet: str, count: int) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def digits(self, count: int, first: str = string.digits) -> str:
        return self.random.choice(first) + self.chars(string.digits, count - 1)

    def until(self, valid: Callable[[str], bool], make: Callable[[], str]) -> str:
        while not valid(value := make()):
            pass
        return value

    def ssn(self) -> str:
        area = self.random.choice([n for n in range(1, 900) if n != 666])
        group, serial = self.random.randint(1, 99), self.random.randint(1, 9999)
        return f"{area:03d}-{group:02d}-{serial:04d}"

    def ssn_spaced(self) -> str:
        return self.ssn().replace("-", " ")

    def ssn_bare(self) -> str:
        return self.ssn().replace("-", "")

    def email(self) -> str:
        return self.fake[self.pick("en_US", "de_DE", "fr_FR")].email()

    def phone(self) -> str:
        area, exchange = self.digits(3, "23456789"), self.digits(3, "23456789")
        form = self.pick(
            "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "+1-{}-{}-{}", "+1 ({}) {}-{}", "1-{}-{}-{}"
        )
        return form.format(area, exchange, self.digits(4))

    def phone_bare(self) -> str:
        return self.digits(3, "23456789") + self.digits(3, "23456789") + self.digits(4)

    def phone_abroad(self) -> str:
        return self.pick(
            f"+44 20 7946 0{self.digits(3)}",
            f"+49 30 {self.digits(8, '2345')}",
            f"+33 6 {self.digits(2)} {self.digits(2)} {self.digits(2)} {self.digits(2)}",
            f"+34 6{self.digits(2)} {self.digits(3)} {self.digits(3)}",
            f"+91 9{self.digits(4)} {self.digits(5)}",
            f"+61 4{self.digits(2)} {self.digits(3)} {self.digits(3)}",
            f"+4917{self.digits(8)}",
            f"+44 7911 {self.digits(6)}",
            f"+55 11 9{self.digits(4)}-{self.digits(4)}",
            f"+81 90-{self.digits(4, '23456789')}-{self.digits(4)}",
        )

    def phone_national(self) -> str:
        return self.pick(
            f"020 7946 0{self.digits(3)}",
            f"07911 {self.digits(6)}",
            f"06 {self.digits(2)} {self.digits(2)} {self.digits(2)} {self.digits(2)}",
            f"030 {self.digits(8, '2345')}",
            f"0171 {self.digits(7)}",
        )

    def postal_address(self) -> str:
        street = self.pick(
            "Oak", "Maple", "Cedar", "Washington", "Lincoln", "Elm", "Park", "Sunset", "Willow", "Highland"
        )
        suffix = self.pick(
            "Street", "St", "Avenue", "Ave", "Road", "Rd", "Lane", "Drive", "Blvd", "Court", "Way", "Place"
        )
        unit = self.pick("", "", f", Apt {self.random.randint(1, 40)}", f" Suite {self.digits(3, '123')}")
        return f"{self.random.randint(1, 9999)} {street} {suffix}{unit}, {self.fake['en_US'].city()}, {self.fake['en_US'].state_abbr()} {self.digits(5, '123456789')}"

    def postal_address_faker(self) -> str:
        return self.fake["en_US"].address()

    def postal_address_gb(self) -> str:
        return f"{self.random.randint(1, 250)} {self.pick('High', 'Church', 'Station', 'Victoria')} {self.pick('Street', 'Road', 'Lane')}, {self.pick('London', 'Leeds', 'Bristol')} {self.pick('SW1A 2AA', 'LS1 4AP', 'BS8 1TH', 'EC2R 8AH')}"

    def postal_address_de(self) -> str:
        return f"{self.pick('Haupt', 'Bahnhof', 'Garten', 'Schiller')}{self.pick('straße', 'strasse', 'weg', 'platz')} {self.random.randint(1, 120)}, {self.digits(5, '123456789')} {self.pick('Berlin', 'Hamburg', 'Köln', 'München')}"

    def street(self) -> str:
        return f"{self.random.randint(10, 9999)} {self.pick('Oak', 'Maple', 'Washington', 'Elm')} {self.pick('Street', 'Avenue', 'Road', 'Blvd')}"

    def date(self) -> str:
        day = self.fake["en_US"].date_of_birth(minimum_age=18, maximum_age=90)
        return day.strftime(
            self.pick("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%d/%m/%y")
        )

    def card(self, prefix: str, length: int) -> str:
        body = prefix + self.chars(string.digits, length - len(prefix) - 1)
        return body + stdnum.luhn.calc_check_digit(body)

    def credit_card(self) -> str:
        return self.card(
            self.pick("4", "51", "55", "2221", "2720", "6011", "65", "3528", "3589", "62", "2200"), 16
        )

    def credit_card_amex(self) -> str:
        return self.card(self.pick("34", "37"), 15)

    def credit_card_diners(self) -> str:
        return self.card(self.pick("36", "38", "305"), 14)

    def credit_card_grouped(self) -> str:
        card, gap = self.credit_card(), self.pick(" ", "-", ".")
        return gap.join(card[at : at + 4] for at in range(0, 16, 4))

    def credit_card_amex_grouped(self) -> str:
        card, gap = self.credit_card_amex(), self.pick(" ", "-")
        return gap.join((card[:4], card[4:10], card[10:]))

    def cvv(self) -> str:
        return self.digits(3)

    def card_expiry(self) -> str:
        return f"{self.random.randint(1, 12):02d}/{self.random.randint(26, 35)}"

    def iban(self) -> str:
        return self.fake[self.pick("en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL")].iban()

    def iban_grouped(self) -> str:
        iban = self.iban()
        return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))

    def routing(self) -> str:
        body = self.pick("0", "1", "2", "3") + self.digits(7, "123")
        total = sum(int(d) * (3, 7, 1)[i % 3] for i, d in enumerate(body))
        return body + str(-total % 10)

    def account(self) -> str:
        return self.digits(self.random.randint(8, 12), "123456789")

    def sort_code(self) -> str:
        return f"{self.digits(2)}-{self.digits(2)}-{self.digits(2)}"

    def mrn(self) -> str:
        return self.pick(
            self.digits(6),
            self.digits(7),
            self.digits(8),
            f"A{self.digits(7)}",
            f"{self.digits(3)}-{self.digits(2)}-{self.digits(3)}",
            f"MR{self.digits(6)}",
        )

    def npi(self) -> str:
        body = self.pick("1", "2") + self.digits(8)
        return body + stdnum.luhn.calc_check_digit("80840" + body)

    def mbi(self) -> str:
        letters = "ACDEFGHJKMNPQRTUVWXY"
        both = letters + string.digits
        c = self.chars
        return f"{self.digits(1, '123456789')}{c(letters, 1)}{c(both, 1)}{self.digits(1)}-{c(letters, 1)}{c(both, 1)}{self.digits(1)}-{c(letters, 2)}{self.digits(2)}"

    def member_id(self) -> str:
        return self.pick(
            f"XYZ{self.digits(9)}",
            f"W{self.digits(9)}",
            self.digits(10),
            f"{self.chars(string.ascii_uppercase, 3)}{self.digits(8)}",
        )

    def icd10(self) -> str:
        return self.pick(*ICD10)

    def icd10_dotted(self) -> str:
        return self.pick(*(code for code in ICD10 if "." in code))

    def passport(self) -> str:
        return self.pick(
            self.digits(9),
            f"{self.chars(string.ascii_uppercase, 1)}{self.digits(8)}",
            f"{self.chars('CFGHJK', 1)}{self.chars('0123456789CFGHJKLMNPRTVWXYZ', 2)}{self.digits(6)}",
        )

    def drivers_license(self) -> str:
        return self.pick(
            f"{self.chars(string.ascii_uppercase, 1)}{self.digits(7)}",
            self.digits(8),
            f"{self.chars(string.ascii_uppercase, 1)}{self.digits(3)}-{self.digits(4)}-{self.digits(4)}",
            f"MORGA{self.digits(6)}SM9IJ",
        )

    def nino(self) -> str:
        return f"{self.pick('AB', 'CE', 'JK', 'PW', 'SR')} {self.digits(2)} {self.digits(2)} {self.digits(2)} {self.pick('A', 'B', 'C', 'D')}"

    def nhs(self) -> str:
        number = self.until(stdnum.gb.nhs.is_valid, lambda: self.digits(10, "4679"))
        return f"{number[:3]} {number[3:6]} {number[6:]}"

    def cpf(self) -> str:
        return stdnum.br.cpf.format(self.until(stdnum.br.cpf.is_valid, lambda: self.digits(11)))

    def dni(self) -> str:
        body = self.digits(8)
        return body + stdnum.es.dni.calc_check_digit(body)

    def aadhaar(self) -> str:
        body = self.digits(11, "23456789")
        number = body + stdnum.verhoeff.calc_check_digit(body)
        return f"{number[:4]} {number[4:8]} {number[8:]}"

    def idnr(self) -> str:
        return self.until(stdnum.de.idnr.is_valid, lambda: self.digits(11, "123456789"))

    def nir(self) -> str:
        body = f"{self.pick('1', '2')}{self.digits(2)}{self.random.randint(1, 12):02d}{self.random.randint(1, 95):02d}{self.digits(3, '012')}{self.digits(3, '012')}"
        return body + f"{97 - int(body) % 97:02d}"

    def codice_fiscale(self) -> str:
        return self.until(stdnum.it.codicefiscale.is_valid, self.fake["it_IT"].ssn)

    def pesel(self) -> str:
        return self.until(
            stdnum.pl.pesel.is_valid,
            lambda: (
                f"{self.random.randint(40, 99)}{self.random.randint(1, 12):02d}{self.random.randint(1, 28):02d}{self.digits(5)}"
            ),
        )

    def aws_key(self) -> str:
        return self.pick("AKIA", "ASIA") + self.chars(string.ascii_uppercase + "234567", 16)

    def aws_secret(self) -> str:
        return self.chars(BASE64, 40)

    def api_key(self) -> str:
        c, hexadecimal = self.chars, "0123456789abcdef"
        return self.pick(
            f"ghp_{c(ALNUM, 36)}",
            f"github_pat_{c(ALNUM, 22)}_{c(ALNUM, 59)}",
            f"glpat-{c(ALNUM + '_-', 20)}",
            f"xoxb-{self.digits(12)}-{self.digits(12)}-{c(ALNUM, 24)}",
            f"sk_live_{c(ALNUM, 24)}",
            f"sk-{c(ALNUM, 48)}",
            f"sk-proj-{c(ALNUM + '_-', 64)}",
            f"sk-ant-api03-{c(ALNUM + '_-', 93)}AA",
            f"AIza{c(ALNUM + '_-', 35)}",
            f"SG.{c(ALNUM, 22)}.{c(ALNUM, 43)}",
            f"SK{c(hexadecimal, 32)}",
            f"npm_{c(ALNUM, 36)}",
            f"pypi-AgEIcHlwaS5vcmc{c(ALNUM, 60)}",
            f"hf_{c(string.ascii_letters, 17)}{c(ALNUM, 16)}7",
            f"dop_v1_{c(hexadecimal, 64)}",
            f"AccountKey={c(BASE64, 86)}==",
        )

    def private_key(self) -> str:
        kind = self.pick(
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "DSA PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        )
        body = "\n".join(self.chars(BASE64, 64) for _ in range(4))
        return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"

    def jwt(self) -> str:
        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

        algorithm = self.pick("HS256", "RS256", "ES256")
        return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part({'sub': self.digits(8), 'iat': 1700000000})}.{self.chars(ALNUM + '_-', 43)}"

    def opaque(self) -> str:
        return self.chars(ALNUM, self.random.randint(24, 44))

    def db_url(self) -> str:
        scheme = self.pick(
            "postgres",
            "postgresql",
            "mysql",
            "mongodb",
            "mongodb+srv",
            "redis",
            "amqp",
            "postgresql+asyncpg",
            "mysql+pymysql",
        )
        host = self.pick(
            "db.internal", "10.1.2.3", "cluster0.ab1cd.mongodb.net", "localhost", "cache.prod.acme.io"
        )
        return f"{scheme}://{self.pick('admin', 'app', 'svc_user', 'root')}:{self.password_url()}@{host}:{self.random.randint(1024, 9999)}/{self.pick('orders', 'app', '0')}"

    def password_url(self) -> str:
        return self.chars(ALNUM + "!$*-_~", 12) + "7"

    def password(self) -> str:
        return self.pick(
            self.chars(ALNUM + "!#$%&*", 11) + "7x",
            f"{self.fake['en_US'].word().title()}{self.digits(4)}!",
            f"Tr0ub4dor&{self.digits(1)}",
            f"{self.pick('Summer', 'Winter', 'Dragon')}20{self.digits(2, '12')}!",
        )

    def uuid(self) -> str:
        return self.fake["en_US"].uuid4()

    def sha(self) -> str:
        return self.chars("0123456789abcdef", self.random.choice((32, 40, 64)))

    def bad_card(self) -> str:
        card = self.credit_card()
        return card[:-1] + str((int(card[-1]) + self.random.randint(1, 9)) % 10)

    def bad_card_grouped(self) -> str:
        card = self.bad_card()
        return " ".join(card[at : at + 4] for at in range(0, 16, 4))

    def bad_iban(self) -> str:
        iban = self.iban()
        return iban[:2] + f"{(int(iban[2:4]) + 13) % 97:02d}" + iban[4:]

    def bad_ssn(self) -> str:
        return self.pick("000", "666", "9" + self.digits(2)) + f"-{self.digits(2)}-{self.digits(4)}"

    def millis(self) -> str:
        return f"17{self.digits(11)}"

    def tracking(self) -> str:
        return self.pick(
            f"1Z{self.chars(string.ascii_uppercase + string.digits, 6)}{self.digits(10)}",
            f"94{self.digits(20)}",
            self.digits(12, "123456789"),
            f"{self.digits(4)} {self.digits(4)} {self.digits(4)}",
        )

    def number(self) -> str:
        return self.digits(self.random.randint(5, 12), "123456789")

    def name(self) -> str:
        return self.fake["en_US"].name()

    def sentence(self) -> str:
        return self.fake["en_US"].sentence(nb_words=12)

    def paragraph(self) -> str:
        return self.fake["en_US"].paragraph(nb_sentences=4)
