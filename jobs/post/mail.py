"""A short mail that a job has ended, in the reader's language."""

from __future__ import annotations

import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import unquote, urlsplit

from engines.registry import KINDS
from jobs.post.webhooks import UndeliverableError
from jobs.settings import Settings

SECONDS = 15.0
# What the server says may name machines inside and what it thinks of others: the log alone has it.
UNWANTED = "The mail server takes nothing for this address; is it right?"
AWAY = "The mail server could not be reached, or took no mail. The administrator's log says why."
log = logging.getLogger(__name__)

_WORDS = {
    "en": {
        "job.succeeded": ("Done: %s", "Your job is done."),
        "job.failed": ("Failed: %s", "Your job ended without a result."),
        "see": "See it here:",
        "why": "You get this mail because your account asks for it; change it under Account.",
    },
    "zh": {
        "job.succeeded": ("已完成：%s", "您的任务已经完成。"),
        "job.failed": ("失败：%s", "您的任务没有得到结果就结束了。"),
        "see": "在这里查看：",
        "why": "收到此邮件是因为您的账户要求如此；可在“账户”中更改。",
    },
}


def compose(
    body: dict[str, Any], to: str, language: str | None, settings: Settings
) -> EmailMessage:
    """The mail about a job; the kind stands in it by its own name."""
    words = _WORDS["zh" if language == "zh" else "en"]
    told = body["data"]
    subject, first = words[body["type"]]
    kind = KINDS.get(told["kind"])
    made = EmailMessage()
    made["From"] = settings.mail_from
    made["To"] = to
    made["Subject"] = subject % (kind.title if kind else told["kind"])
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=settings.mail_from.rpartition("@")[2].strip("> "))
    made["Auto-Submitted"] = "auto-generated"
    base = settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.port}"
    made.set_content(
        f"{first}\n\n{words['see']}\n{base}/jobs/{told['id']}\n\n-- \n{words['why']}\n"
    )
    return made


def send(message: EmailMessage, settings: Settings) -> None:
    """Hand it to the server of ``ATELIER_SMTP_URL``. Raises :class:`UndeliverableError`."""
    parts = urlsplit(settings.smtp_url)
    context = ssl.create_default_context()
    host, port = parts.hostname or "", parts.port
    try:
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port or 465, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, port or 587, timeout=SECONDS)
        with server:
            if parts.scheme == "smtp+tls":
                server.starttls(context=context)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as refused:
        log.info("the mail server refuses a receiver: %s", refused)
        raise UndeliverableError(UNWANTED) from None
    except (OSError, smtplib.SMTPException) as failed:
        log.warning("a mail cannot be sent: %s: %s", type(failed).__name__, failed)
        raise UndeliverableError(AWAY) from None
