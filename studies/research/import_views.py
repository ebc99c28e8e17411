"""Images come in by the browser: chosen and sent, looked at, taken."""

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studies.access import content_only, of_import, visible_studies
from studies.content import uploads
from studies.content.unpacking import UploadRefused
from studies.jobs.dispatch import living_queues
from studies.models import PIECE_BYTES, Import, Stimulus, tell
from studies.research.import_forms import FORMS
from studies.storage.guard import StorageUnavailable

LINES_A_PAGE = 100
IMPORTS_SHOWN = 50


@require_http_methods(["GET", "POST"])
@content_only
def imports(request: HttpRequest) -> HttpResponse:
    """What is under way, and a form for each kind of import."""
    kind = request.POST.get("kind", "")
    sent = (request.POST, request.FILES)
    forms = {known.value: form(*sent if kind == known else ()) for known, form in FORMS.items()}
    if kind in forms and forms[kind].is_valid():
        forms[kind].instance.kind, forms[kind].instance.by = kind, request.user.get_username()
        with transaction.atomic():
            begun = forms[kind].save()
            tell(None, "import begun", by=begun.by, of=str(begun))
        return redirect("import", begun.pk)
    context = {"forms": forms, "imports": Import.objects.all()[:IMPORTS_SHOWN]}
    return render(request, "research/imports.html", context, status=422 if kind in forms else 200)


@require_GET
@of_import
def page(request: HttpRequest, incoming: Import) -> HttpResponse:
    files = uploads.missing(incoming) if incoming.stage == Import.Stage.UPLOAD else []
    lines = Paginator(incoming.lines.defer("thumbnail"), LINES_A_PAGE).get_page(request.GET.get("page"))
    replaced = Stimulus.objects.in_bulk([line.replaces for line in lines if line.replaces])
    touched = {one["name"] for one in incoming.seen.get("touched", ())}
    context = {
        "incoming": incoming,
        "workers": bool(living_queues()),
        "piece_bytes": PIECE_BYTES,
        "files": len(files),
        "whole": sum(not numbers for *_, numbers in files),
        "page": lines,
        "rows": [(line, replaced.get(line.replaces or 0)) for line in lines],
        "problems": list(incoming.lines.exclude(problem="").values_list("problem", flat=True)),
        "warnings": uploads.warnings_of(incoming),
        "visible": set(visible_studies(request).filter(name__in=touched).values_list("name", flat=True)),
    }
    return render(request, "research/import.html", context)


@require_GET
@of_import
def now(request: HttpRequest, incoming: Import) -> HttpResponse:
    """How far a worker is, by itself, for the page to refresh."""
    return render(request, "research/import_now.html", {"incoming": incoming, "workers": bool(living_queues())})


@require_POST
@of_import
def files(request: HttpRequest, incoming: Import) -> JsonResponse:
    """The browser says what it will send; the answer says what of that is missing."""
    return _answered(lambda: uploads.announce(incoming, request.POST.get("files", "")))


@require_POST
@of_import
def piece(request: HttpRequest, incoming: Import, file: int, number: int) -> JsonResponse:
    sent = request.FILES.get("piece")
    if sent is None or (sent.size or 0) > PIECE_BYTES:
        return JsonResponse({"error": f"A piece has at most {PIECE_BYTES} bytes."}, status=422)
    return _answered(lambda: uploads.receive(incoming, file=file, number=number, content=sent.read()))


@require_POST
@of_import
def act(request: HttpRequest, incoming: Import, action: str) -> HttpResponse:
    """Look, look again, choose other files, take or discard; what stands in the way is said on the import's page."""
    by = request.user.get_username()
    actions: dict[str, Callable[[], None]] = {
        "look": lambda: uploads.finish(incoming, by=by),
        "again": lambda: uploads.look_again(incoming, inside=request.POST.get("inside", ""), by=by),
        "others": lambda: uploads.other_files(incoming, by=by),
        "take": lambda: uploads.take_it(incoming, confirmed=request.POST.getlist("confirmed"), by=by),
        "discard": lambda: uploads.discard(incoming, by=by),
    }
    try:
        actions[action]()
    except UploadRefused as error:
        messages.error(request, str(error))
        return redirect("import", incoming.pk)
    if action != "discard":
        return redirect("import", incoming.pk)
    messages.success(request, f"The import of {incoming} was discarded.")
    return redirect("imports")


@require_GET
@of_import
def thumbnail(request: HttpRequest, incoming: Import, number: int) -> HttpResponse:
    line = incoming.lines.filter(number=number).exclude(thumbnail=b"").first()
    if line is None:
        raise Http404
    return HttpResponse(bytes(line.thumbnail), content_type="image/jpeg")


def _answered(action: Callable[[], object]) -> JsonResponse:
    """For the script: 422 with what is wrong and stays so, 503 for what passes."""
    try:
        return JsonResponse(action() or {})
    except UploadRefused as error:
        return JsonResponse({"error": str(error)}, status=422)
    except StorageUnavailable as error:
        return JsonResponse({"error": str(error)}, status=503)
