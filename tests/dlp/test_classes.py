"""What each class catches, and the look-alikes that it leaves alone."""

# ruff: noqa: E501 - a table is read by its rows

import pytest

from mas.dlp import CLASSES, Scanner

FOUND: dict[str, tuple[str, ...]] = {
    "ssn": (
        "My SSN is 536-90-4399.", "ssn 536904399", "Social Security Number: 536 90 4399", "536-90-4399", "SSN:536.90.4399",
        "her soc. sec. no. is 536-90-4399", "536904399 is my SSN",
    ),
    "email": ("bob.o'neil+tag@mail.acme.co.uk", "<ann@acme.io>", "user=ann@acme.io;", "ann_b@sub.acme-corp.com"),
    "phone": (
        "(212) 555-0142", "212-555-0142", "212.555.0142", "+1 212 555 0142", "+44 20 7946 0958", "call me: 2125550142",
        "tel 020 7946 0958", "555.867.5309 x123", "phone: 867-5309", "+4915123456789", "mobile 07911 123456",
    ),
    "postal_address": (
        "742 Evergreen Terrace, Springfield, IL 62704", "1600 Pennsylvania Ave NW, Washington, DC 20500", "P.O. Box 1234",
        "10 Downing Street, London SW1A 2AA", "she lives at 12 Oak Road", "Hauptstraße 5, 10115 Berlin",
        "12 rue de la Paix, 75002 Paris", "USNS Smith\nFPO AE 12345", "Calle Mayor 12, 28013 Madrid",
    ),
    "date_of_birth": ("DOB: 04/12/1980", "born on April 12, 1980", "date of birth 1980-04-12", "D.O.B. 12 Apr 1980", "geboren am 12.04.1980"),
    "credit_card": (
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444", "2223003122003222", "378282246310005",
        "3782 822463 10005", "6011111111111117", "3530111333300000", "30569309025904", "6200000000000005", "card 4222222222222",
        "4111 1111 1111 1111 12/27", "2200 0000 0000 0004 card",
    ),
    "cvv": ("CVV 123", "cvc: 4567", "card security code 123", "cvv2=999"),
    "card_expiry": ("Visa expires 12/27", "card exp: 01/2029", "mastercard valid thru 03/28"),
    "iban": ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "iban: fr1420041010050500013m02606"),
    "bank_account": ("routing number 021000021", "bank account 000123456789", "sort code 20-00-00", "CLABE 032180000118359719"),
    "mrn": ("MRN: 00482913", "MRN#A1234567", "medical record number 123-45-678", "Patient ID: 4829103", "mrn is 483920"),
    "health_insurance_id": ("1EG4-TE5-MK73", "Medicare ID 1EG4TE5MK73", "member id: XYZ123456789, Blue Cross", "insurance policy no. 88123456"),
    "npi": ("NPI 1234567893", "npi=1234567893"),
    "icd10": ("Diagnosis: E11.9", "ICD-10 code I10", "patient presents with J45.909", "dx F32.1", "ICD10: S72001A"),
    "passport": ("passport number 512345678", "Passport No: X1234567", "passport C01X00T47"),
    "drivers_license": ("driver's license D1234567", "DL# B123-4567-8901", "driving licence MORGA657054SM9IJ"),
    "national_id": (
        "NHS number 943 476 5919", "NI number AB 12 34 56 C", "CPF 390.533.447-05", "DNI 54362315K", "Aadhaar 2341 2341 2346",
        "Steuer-ID 36574261809", "codice fiscale RCCMNL83S18D969H", "SIN 123-456-782", "PESEL 44051401359", "AHV 756.9217.0769.85",
    ),
    "aws_key": ("AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "api_key": (
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "glpat-x7Kd93mQpLs82Vn4TzRw", "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z", "sk-ant-api03-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "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",
        "npm_1a2B3c4D5e6F7g8H9i0JkLmNoPqRsTuVwXyZ", "hf_abCdEfGhIjKlMnOpQrStUvWxYz1234567890", "api_key=8f14e45fceea167a5a36dedd4bea2543",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    ),
    "private_key": (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF", "-----BEGIN ENCRYPTED PRIVATE KEY-----", "PuTTY-User-Key-File-3: ssh-ed25519",
    ),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",),
    "bearer_token": ("Authorization: Bearer 9f8b7c6d5e4f3a2b1c0d9e8f", "authorization: basic dXNlcjpwYTU1d29yZA=="),
    "password": (
        "password: hunter2", "PASSWORD='Tr0ub4dor&3'", "the password is hunter2", "my password for the vpn is S3cret!pw", "pwd=letme1n",
        '{"password": "correct horse battery staple"}', "passphrase: kX9#mQ2$", "user root and password t00r!x",
    ),
    "db_url": (
        "postgres://app:s3cr3t@db:5432/app", "mongodb+srv://u:p4ss@c0.mongodb.net/x", "redis://:hunter2@cache:6379/0",
        "https://bob:hunter2@git.acme.io/x.git", "Server=db;Database=app;User Id=sa;Password=Pa55;", "jdbc:mysql://db/app?user=u&password=p4ss",
        "amqp://guest:guest1@mq//", "postgres://u:p%40ss@h/d", "mysql://u:p@ss@h/d",
    ),
    "secret": ("client_secret=Zx8Qw3Er5Ty7Ui9Op1As", "SECRET_KEY = 'k3y-9d8f7g6h5j4k3l2'", "refresh_token: Ab3dEf6hIj9kLm2nOp5q"),
}  # fmt: skip

CLEAN: dict[str, tuple[str, ...]] = {
    "ssn": ("000-12-3456", "666-12-3456", "912-34-5678", "536-00-4399", "536-90-0000", "order 536-90-4399", "078-05-1120", "1536-90-43991"),
    "email": ("git@github.com:acme/app.git", "icon@2x.png", "lodash@4.17.21", "@alice", "user@localhost"),
    "phone": ("order 212-555-0142", "192.168.100.2000", "2024-05-13 10:45", "ISBN 978-3-16-148410-0", "2125550142", "build 1.212.555.0142"),
    "postal_address": ("Top 10 Wall Street analysts", "2 Hard Drive units", "3 Way Split", "chapter 5 Main Road of life ahead"),
    "date_of_birth": ("released on 04/12/1980", "born in a barn", "birthday party on Saturday"),
    "credit_card": (
        "4111111111111112", "order 4111111111111111", "1700000000000", "550e8400-e29b-41d4-a716-446655440000", "sha 4111111111111111a",
        "9999999999999995", "4111.1111", "0000000000000000", "tracking 9400111899223197428490",
    ),
    "cvv": ("the security code is 123456", "CVV is required", "security code 1234 was sent by sms"),
    "card_expiry": ("the coupon expires 12/27", "valid until 12/27"),
    "iban": ("GB83 WEST 1234 5698 7654 32", "XX89370400440532013000"),
    "bank_account": ("AWS account 123456789012", "account 88231 was closed", "routing of packets", "routing number 021000022"),
    "mrn": ("MRN is required", "mr 12345678", "medical records from 2019-04-02"),
    "health_insurance_id": ("member since 2015", "plan 2024", "the policy of 1999"),
    "npi": ("NPI 1234567890", "1234567893"),
    "icd10": ("vitamin B12", "room C34.1", "part number E11.9", "version V10.2", "E11.9"),
    "passport": ("bring your passport", "passport control level 2"),
    "drivers_license": ("driver's license required", "license MIT 2.0"),
    "national_id": ("943 476 5918 is my NHS number", "390.533.447-06", "54362315A", "2341 2341 2346"),
    "aws_key": ("AKIA is a prefix", "AKIAAAAAAAAAAAAAAAAA", "aws_secret_access_key=<redacted>"),
    "api_key": ("api_key: YOUR_API_KEY", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "pk_live_51H8xAbCdEfGhIjKl", "sk-your-key-here", "api_key = os.getenv('KEY')"),
    "private_key": ("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----"),
    "jwt": ("eyJ is how a token starts", "a.b.c"),
    "bearer_token": ("the bearer of this letter", "Authorization: Bearer <token>", "Authorization: Bearer ${TOKEN}"),
    "password": (
        "password: ********", "password: <your-password>", "the password is required", "password must have 12 characters", "password = os.environ['PW']",
        "your password was changed", "reset your password", "PASSWORD=${PASSWORD}", "password: str", "if password == confirm:",
    ),
    "db_url": ("postgres://localhost/app", "postgres://u:${PW}@h/d", "redis://cache:6379/0", "https://acme.io/@bob", "postgres://u:<password>@h/d"),
    "secret": ("secret: true", "the secret of success", "max_tokens: 4096", "next_page_token: CAESBgoEGgIIAQ1234", "cache_key=user:1", "public_key=Ab3dEf6hIj9kLm2nOp5q"),
}  # fmt: skip


def kinds(scanner: Scanner, text: str) -> set[str]:
    return {finding.kind for finding in scanner.scan_text(text).findings}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_class_is_found(scanner: Scanner, kind: str, text: str):
    assert kind in kinds(scanner, text)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in CLEAN.items() for text in texts])
def test_look_alike_is_left_alone(scanner: Scanner, kind: str, text: str):
    assert kinds(scanner, text) == set()


def test_every_class_has_both_tables():
    assert set(FOUND) == set(CLEAN) == set(CLASSES)
