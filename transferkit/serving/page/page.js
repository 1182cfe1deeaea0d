"use strict";
const at = (id) => document.getElementById(id);
const show = (id, on) => { at(id).hidden = !on; };
const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
let facts = {};
let asked = 0; // an answer to an earlier photo must not replace a later one's

async function ask(path, photo) {
  const response = await fetch(path, { method: "POST", body: photo });
  const told = await response.json();
  if (!response.ok) throw new Error(told.error);
  return told;
}

function say(tone, label, sure) {
  at("verdict").className = `verdict ${tone}`;
  at("label").textContent = label;
  at("sure").textContent = sure;
}

function showLabels(told) {
  const best = told.top[0];
  if (told.unknown) say("poor", "None of these", `it is like nothing the model was trained on (novelty ${told.novelty.toFixed(2)}, from 1)`);
  else if (told.labels) say(told.labels.length ? "good" : "fair", told.labels.join(", ") || "No label", "");
  else if (!told.confident) say("fair", "Not sure", `perhaps ${best.label}`);
  else say("good", best.label, percent(best.probability));
  const body = at("bars").tBodies[0];
  body.replaceChildren(...told.top.map((one) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = one.label;
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.width = `${100 * one.probability}%`;
    const cell = document.createElement("td");
    cell.append(bar);
    const figure = document.createElement("td");
    figure.className = "figure";
    figure.textContent = percent(one.probability);
    row.append(head, cell, figure);
    return row;
  }));
  at("bars").hidden = false;
  at("took").textContent = `${told.milliseconds} ms`;
}

function showHeat(told) {
  show("heat", told.picture);
  if (told.picture) at("heat").src = told.picture;
  at("heat-note").textContent = told.picture ? `What glows speaks for ${told.label}.` : told.reason;
}

function showNear(told) {
  at("near-note").textContent = told.reason ?? "The closer the distance is to 0, the more alike.";
  at("photos").replaceChildren(...told.photos.map((one) => {
    const item = document.createElement("li");
    if (one.picture) {
      const picture = document.createElement("img");
      picture.src = one.picture;
      picture.alt = "";
      item.append(picture);
    }
    const text = document.createElement("p");
    text.textContent = `${one.label}, distance ${one.distance.toFixed(3)}`;
    text.title = one.path;
    item.append(text);
    return item;
  }));
}

async function look(photo) {
  const mine = ++asked;
  const current = () => mine === asked;
  stopCamera();
  URL.revokeObjectURL(at("photo").src);
  at("photo").src = URL.createObjectURL(photo);
  show("photo", true);
  show("answer", true);
  show("bars", false);
  at("took").textContent = "";
  say("fair", "…", "");
  for (const [id, on] of [["why", facts.heat], ["near", facts.neighbours]]) show(id, on);
  show("heat", false);
  at("heat-note").textContent = at("near-note").textContent = "…";
  at("photos").replaceChildren();
  try {
    if (photo.size > facts.max_bytes) throw new Error(`the file is larger than ${facts.max_bytes} bytes`);
    const told = await ask("/photo/labels", photo);
    if (!current()) return;
    showLabels(told);
  } catch (error) {
    if (!current()) return;
    say("poor", "No answer", error.message);
    show("why", false);
    show("near", false);
    return;
  }
  const further = [[facts.heat, "/photo/heat", showHeat, "heat-note"], [facts.neighbours, "/photo/similar", showNear, "near-note"]];
  for (const [wanted, path, showIt, note] of further) {
    if (!wanted) continue;
    ask(path, photo).then((told) => current() && showIt(told), (error) => { if (current()) at(note).textContent = error.message; });
  }
}

function stopCamera() {
  const stream = at("video").srcObject;
  if (stream) stream.getTracks().forEach((track) => track.stop());
  at("video").srcObject = null;
  show("video", false);
  show("stop", false);
  at("camera").textContent = "Use the camera";
}

async function camera() {
  if (at("video").srcObject) {
    const canvas = document.createElement("canvas");
    canvas.width = at("video").videoWidth;
    canvas.height = at("video").videoHeight;
    canvas.getContext("2d").drawImage(at("video"), 0, 0);
    canvas.toBlob((photo) => look(photo), "image/jpeg", 0.95);
    return;
  }
  try {
    // Browsers hand the camera to pages of this machine and of https alone; elsewhere a phone's own dialog does.
    at("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    show("video", true);
    show("photo", false);
    show("stop", true);
    at("camera").textContent = "Take the photo";
  } catch {
    at("capture").click();
  }
}

at("choose").addEventListener("click", () => at("file").click());
at("camera").addEventListener("click", camera);
at("stop").addEventListener("click", stopCamera);
for (const id of ["file", "capture"]) {
  at(id).addEventListener("change", (event) => {
    if (event.target.files.length) look(event.target.files[0]);
    event.target.value = "";
  });
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) look(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) look(event.clipboardData.files[0]);
});

fetch("/facts").then((response) => response.json()).then((told) => {
  facts = told;
  at("name").textContent = document.title = told.name;
  const named = told.classes.slice(0, 12).join(", ") + (told.classes.length > 12 ? ", …" : "");
  at("facts").textContent = `${told.classes.length} ${told.several ? "labels" : "classes"}: ${named}. ${told.backbone}, version ${told.version}.`
    + (told.knows_unknown ? "" : " This model cannot detect photos of other things.");
  at("model").href = `/v1/models/${encodeURIComponent(told.name)}/metadata`;
});
