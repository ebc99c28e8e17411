// Sends the chosen files in pieces, each until the site has it; what came before an interruption is not sent again.
const form = document.getElementById("upload");
const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
const inputs = [...form.querySelectorAll("input[type=file]")];
const [button, sending, bar, told, failed] =
  ["send", "sending", "progress", "told", "failed"].map(id => document.getElementById(id));
const AT_ONCE = 3;
const pieceBytes = Number(form.dataset.piece);
const megabytes = bytes => (bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 });
let leaving = false;

class Refused extends Error {}

function chosen() {
  const files = new Map();
  for (const input of inputs) {
    for (const file of input.files) {
      const name = file.webkitRelativePath || file.name;
      files.set(input.dataset.below ? `${input.dataset.below}/${name}` : name, file);
    }
  }
  return files;
}

// An answer that says no is final; no answer, or one that the site is busy, is asked for again, however often.
async function post(url, body) {
  for (let wait = 500; ; wait = Math.min(2 * wait, 15_000)) {
    try {
      const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token }, redirect: "error" });
      if (answer.ok) return await answer.json();
      if (answer.status < 500 && answer.status !== 429) {
        const said = await answer.json().catch(() => ({}));
        throw new Refused(said.error || "The site refuses this. Load the page again; you may be logged out.");
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    told.textContent = "The site does not answer just now; trying again. What was sent is kept.";
    await new Promise(done => setTimeout(done, wait));
  }
}

async function send() {
  const files = chosen();
  const list = [...files].map(([path, file]) => [path, file.size, String(file.lastModified)]);
  const body = new FormData();
  body.append("files", JSON.stringify(list));
  const missing = (await post(form.dataset.files, body)).files;
  const total = missing.reduce((sum, [, , size]) => sum + size, 0) || 1;
  const jobs = missing.flatMap(([key, path, , numbers]) => numbers.map(number => ({ key, path, number })));
  const length = job => Math.min(pieceBytes, files.get(job.path).size - job.number * pieceBytes);
  let sent = total - jobs.reduce((sum, job) => sum + length(job), 0);
  const show = () => {
    bar.value = sent / total;
    told.textContent = `${megabytes(sent)} of ${megabytes(total)} MB, ${missing.length} file${missing.length > 1 ? "s" : ""}`;
  };
  show();
  const work = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const start = job.number * pieceBytes;
      const piece = new FormData();
      piece.append("piece", files.get(job.path).slice(start, start + pieceBytes), "piece");
      await post(`${form.dataset.files}${job.key}/${job.number}/`, piece);
      sent += length(job);
      show();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function go() {
  failed.hidden = true;
  if (!inputs.some(input => input.files.length)) return refuse("Choose files, a folder or a zip first.");
  button.disabled = true;
  sending.hidden = false;
  try {
    await send();
  } catch (error) {
    refuse(error instanceof Refused ? error.message : "A file cannot be read any more: choose the files again.");
    return;
  }
  leaving = true;
  form.method = "post";
  form.action = form.dataset.finish;
  for (const input of inputs) input.disabled = true;
  form.submit();
}

function refuse(text) {
  failed.textContent = text;
  failed.hidden = false;
  sending.hidden = true;
  button.disabled = false;
}

button.addEventListener("click", go);
addEventListener("beforeunload", event => { if (!leaving && !sending.hidden) event.preventDefault(); });
