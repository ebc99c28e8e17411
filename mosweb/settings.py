"""Settings of the site. What a deployment may change is an environment variable, typed, with a safe default."""

import os
import tomllib
from urllib.parse import quote

import dj_database_url
from environs import Env, validate

from mosweb import database, paths, secret_files

env = Env()

VAR_DIR = paths.VAR_DIR
# Written into backups.
VERSION = tomllib.loads((paths.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
# Whoever runs what: nothing that it writes is for strangers on the same machine.
paths.keep_strangers_out(VAR_DIR)
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o640, 0o750

DEBUG = env.bool("MOSWEB_DEBUG", False)
# The key that is used where the environment names none.
SECRET_KEY_FILE = VAR_DIR / "secret_key"
SECRET_KEY_FROM_ENVIRONMENT = bool(env.str("SECRET_KEY", ""))
SECRET_KEY = env.str("SECRET_KEY", "") or secret_files.read_or_create(SECRET_KEY_FILE)
# Earlier keys, separated by commas: what they signed, such as raters' cookies, still counts.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
ALLOWED_HOSTS = env.list("MOSWEB_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
# Off only where the site is reached without TLS, as `make run` does on one machine.
HTTPS = env.bool("MOSWEB_HTTPS", True)
# How many proxies stand in front and set X-Forwarded-Proto and X-Forwarded-For.
PROXIES = env.int("MOSWEB_PROXIES", 0)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "studies",
    "mosweb",  # its commands
]

MIDDLEWARE = [
    "mosweb.request_ids.request_ids",
    "mosweb.middleware.headers",
    "django.middleware.security.SecurityMiddleware",
    "mosweb.middleware.refuse_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "mosweb.outages.Outages",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "mosweb.urls"
WSGI_APPLICATION = "mosweb.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": sorted((paths.BASE_DIR / "studies").glob("*/templates")),  # each room's
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# data

_sqlite = dj_database_url.parse(f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}")
_url = env.dj_db_url("DATABASE_URL") if env.str("DATABASE_URL", "") else _sqlite
DATABASES = {"default": database.configuration(_url, given=dict(env.json("MOSWEB_DB_OPTIONS", {})))}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("MOSWEB_DB_CONNECTION_SECONDS", 600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The images. Another backend (S3 and the like) is named here by its dotted path, its options in JSON.
IMAGE_STORAGE = env.str("MOSWEB_IMAGE_STORAGE", "studies.storage.disk.AtomicFileSystemStorage")
# A local copy of images that raters were shown, in MB, for a storage that is not this machine's disk; 0: none.
IMAGE_CACHE_MB = env.int("MOSWEB_IMAGE_CACHE_MB", 1024 if "MOSWEB_IMAGE_STORAGE" in os.environ else 0)
IMAGE_CACHE_DIR = VAR_DIR / "cache" / "images"
STORAGES = {
    "default": {
        "BACKEND": "studies.storage.guard.GuardedStorage",
        "OPTIONS": {
            "backend": IMAGE_STORAGE,
            "options": env.json("MOSWEB_IMAGE_STORAGE_OPTIONS", {}),
            "seconds": env.float("MOSWEB_STORAGE_SECONDS", 15),
        },
    },
    "staticfiles": {"BACKEND": "mosweb.static_storage.HashedFiles"},
}
# The web server's requests wait no longer than this for an answer of the image storage.
STORAGE_SECONDS_OF_A_REQUEST = env.float("MOSWEB_STORAGE_REQUEST_SECONDS", 3)
MEDIA_ROOT = VAR_DIR / "images"
STATIC_ROOT = VAR_DIR / "static"
STATIC_URL = "/static/"
STATICFILES_DIRS = sorted((paths.BASE_DIR / "studies").glob("*/static"))  # each room's

# work in the background

CELERY_BROKER_URL = env.str("REDIS_URL", "") or paths.broker_url(VAR_DIR)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The database says what is wanted; a request that cannot reach the broker must not hang on it.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 30}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}

# who may do what

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "study-list"
LOGOUT_REDIRECT_URL = "login"
# By name and address together, by address, and by name, each with its own limit: mosweb/throttle.py says which.
AXES_HANDLER = "mosweb.throttle.Throttle"
AXES_FAILURE_LIMIT = 1
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # what a login that succeeds forgets
AXES_RESET_ON_SUCCESS = True
# Who goes on trying while locked out does not lengthen the lock, least of all that of another with the same name.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_USERNAME_CALLABLE = "mosweb.throttle.login_name"
AXES_CLIENT_IP_CALLABLE = "mosweb.throttle.network"
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# No address reaches another site. Not "no-referrer": with it browsers send forms with "Origin: null", which the check
# against forged requests refuses. What is shown at an address with a token sets "no-referrer" itself.
SECURE_REFERRER_POLICY = "same-origin"
CSRF_TRUSTED_ORIGINS: list[str] = env.list("MOSWEB_TRUSTED_ORIGINS", [])
if HTTPS:
    SECURE_SSL_REDIRECT = env.bool("MOSWEB_SSL_REDIRECT", True)
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
    SECURE_HSTS_SECONDS = env.int("MOSWEB_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    # A promise for the whole domain, for years: only for who has read hstspreload.org.
    SECURE_HSTS_PRELOAD = env.bool("MOSWEB_HSTS_PRELOAD", False)
    if not SECURE_HSTS_PRELOAD:
        SILENCED_SYSTEM_CHECKS = ["security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# the rest

# Staff's pages are in English. Raters' are in these and in what a researcher brings; which, their requests say.
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("de", "German"),
    ("fr", "French"),
    ("es", "Spanish"),
    ("zh-hans", "Simplified Chinese"),
]
LANGUAGES_BIDI = ["ar", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"]
LOCALE_PATHS = sorted((paths.BASE_DIR / "studies").glob("*/locale"))
CSRF_FAILURE_VIEW = "mosweb.visitors.stale_page"
TIME_ZONE = "UTC"
USE_TZ = True

# Who may read /metrics sends this; without it there is no such page. It says how many images wait, nothing of studies.
METRICS_TOKEN = env.str("MOSWEB_METRICS_TOKEN", "")
# Log lines as JSON objects, for a program to read.
LOG_FORMAT = env.str("MOSWEB_LOG_FORMAT", "plain", validate=validate.OneOf(["plain", "json"]))
# A function that is called with the log record of every error, by its dotted path; off unless it is named.
ERROR_REPORTER = env.str("MOSWEB_ERROR_REPORTER", "")
LOG_HANDLERS = ["console", "error_reporter"] if ERROR_REPORTER else ["console"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "mosweb.log_format.Plain",
            "format": "{asctime} {levelname} {name}{in_request}: {message}",
            "style": "{",
        },
        "json": {"()": "mosweb.log_format.Json"},
    },
    "filters": {
        "hide_tokens": {"()": "mosweb.log_filters.HideTokens"},
        "repeats": {"()": "mosweb.log_filters.Repeats"},
        "repeats_reported": {"()": "mosweb.log_filters.Repeats"},
        "request_id": {"()": "mosweb.request_ids.AddRequestId"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["hide_tokens", "repeats", "request_id"],
        },
        "error_reporter": {
            "()": "mosweb.log_format.ErrorReporter",
            "function": ERROR_REPORTER,
            "filters": ["hide_tokens", "repeats_reported", "request_id"],
        },
    },
    "root": {"handlers": LOG_HANDLERS, "level": "WARNING"},
    "loggers": {
        "studies": {"level": env.str("MOSWEB_LOG_LEVEL", "INFO")},
        "axes": {"level": "ERROR"},
        # A line for each request that waits for a thread, which at a busy moment is every one.
        "waitress.queue": {"level": "ERROR"},
        # Django's own handlers would print the addresses as they are.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": LOG_HANDLERS, "level": "INFO", "propagate": False},
    },
}
if not ERROR_REPORTER:
    del LOGGING["handlers"]["error_reporter"]  # type: ignore[attr-defined]
