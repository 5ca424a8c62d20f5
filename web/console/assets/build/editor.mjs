// The console's one script: htmx, and CodeMirror over every textarea that asks for it. Pages work without it;
// with it the server's remarks appear while typing.
import "./htmx-global.mjs";
import htmx from "htmx.org";
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { closePercentBrace, liquid } from "@codemirror/lang-liquid";
import { LanguageSupport, StreamLanguage, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { forceLinting, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState, RangeSetBuilder } from "@codemirror/state";
import {
  Decoration, Direction, EditorView, ViewPlugin, drawSelection, highlightActiveLine, highlightActiveLineGutter,
  highlightSpecialChars, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
import { tagHighlighter, tags } from "@lezer/highlight";

const nonce = document.currentScript ? document.currentScript.nonce : "";
const editors = new Map(); // name of the textarea → its EditorView
let last = null; // the field that a variable goes into

const classes = tagHighlighter([
  { tag: [tags.variableName, tags.propertyName], class: "tk-v" },
  { tag: [tags.function(tags.variableName), tags.attributeName], class: "tk-f" },
  { tag: [tags.string, tags.number, tags.bool, tags.atom, tags.attributeValue], class: "tk-s" },
  { tag: [tags.comment, tags.blockComment, tags.lineComment], class: "tk-c" },
  {
    tag: [tags.keyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword, tags.operatorKeyword,
      tags.operator, tags.brace, tags.processingInstruction, tags.tagName, tags.angleBracket],
    class: "tk-t",
  },
]);

// plain is the ground under Liquid in a text message: nothing in it means anything.
const plain = new LanguageSupport(StreamLanguage.define({
  token(stream) { stream.skipToEnd(); return null; },
}));

// code keeps each piece of Liquid together, left to right, inside a line of Persian.
const code = ViewPlugin.fromClass(class {
  constructor(view) { this.ranges = mark(view); }
  update(u) { if (u.docChanged || u.viewportChanged) this.ranges = mark(u.view); }
}, {
  provide: (plugin) => [
    EditorView.bidiIsolatedRanges.of((view) => view.plugin(plugin)?.ranges ?? Decoration.none),
    EditorView.outerDecorations.of((view) => view.plugin(plugin)?.ranges ?? Decoration.none),
  ],
});
const liquidIn = /\{\{[^\n{}]*\}\}|\{%[^\n{}]*%\}/g;
const isolated = Decoration.mark({ class: "tk", attributes: { dir: "ltr" }, bidiIsolate: Direction.LTR });

function mark(view) {
  const found = new RangeSetBuilder();
  for (const { from, to } of view.visibleRanges) {
    for (const m of view.state.sliceDoc(from, to).matchAll(liquidIn)) {
      found.add(from + m.index, from + m.index + m[0].length, isolated);
    }
  }
  return found.finish();
}

function variables() {
  return [...document.querySelectorAll("[data-variable]")].map((e) => e.dataset.variable);
}

function complete() {
  const below = (path) => {
    const start = path.map((p) => p + ".").join("");
    const names = variables().filter((v) => v.startsWith(start)).map((v) => v.slice(start.length).split(".")[0]);
    return [...new Set(names)].map((label) => ({ label, type: "variable" }));
  };
  return { variables: below([]), properties: (path) => below(path) };
}

// changed tells the form, which asks the server.
function changed(area) { area.dispatchEvent(new Event("input", { bubbles: true })); }

function mount(area) {
  const direction = area.dir === "rtl" ? "rtl" : "ltr";
  const base = area.dataset.editor === "html" ? html() : plain;
  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(), lintGutter(), highlightActiveLineGutter(), highlightSpecialChars(), history(), drawSelection(),
        EditorState.allowMultipleSelections.of(true), bracketMatching(), closeBrackets(), closePercentBrace,
        autocompletion(), highlightActiveLine(), EditorView.lineWrapping, EditorView.perLineTextDirection.of(true), code,
        liquid({ base, ...complete() }), syntaxHighlighting(classes), placeholder(area.placeholder || ""),
        EditorState.readOnly.of(area.readOnly), EditorView.editable.of(!area.readOnly),
        EditorView.contentAttributes.of({
          "aria-label": area.getAttribute("aria-label") || "", dir: direction, lang: area.lang, spellcheck: "true",
        }),
        // Tab leaves the editor, as it leaves any field.
        keymap.of([
          { key: "Mod-s", preventDefault: true, run: () => { save(area.form); return true; } },
          ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap,
        ]),
        EditorView.updateListener.of((u) => {
          if (u.focusChanged && u.view.hasFocus) last = u.view;
          if (!u.docChanged) return;
          area.value = u.state.doc.toString();
          changed(area);
        }),
      ],
    }),
  });
  view.dom.dir = direction; // the gutter stands where lines begin
  area.before(view.dom);
  area.hidden = true;
  editors.set(area.name, view);
  last ??= view;
}

function save(form) { if (form) htmx.trigger(form, "save"); }

// settle is after every answer: the tabs may be new, and the one in use is off the edge of a phone.
function settle() {
  remarks();
  const tabs = document.querySelector("#tabs");
  const on = tabs?.querySelector("[aria-current]");
  if (on) tabs.scrollLeft = on.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - on.offsetWidth) / 2;
}

// remarks moves the list that the server made into the editors.
function remarks() {
  const byField = new Map([...editors.keys()].map((name) => [name, []]));
  for (const li of document.querySelectorAll("#lint [data-field]")) {
    const view = editors.get(li.dataset.field);
    if (!view) continue;
    const size = view.state.doc.length;
    const from = Math.min(Number(li.dataset.from), size);
    const to = Math.min(Math.max(Number(li.dataset.to), from), size);
    byField.get(li.dataset.field).push({
      from, to, severity: li.dataset.severity, message: li.dataset.message,
      actions: li.dataset.fix === undefined ? [] : [{ name: li.dataset.label, apply: () => mend(li) }],
    });
  }
  for (const [name, list] of byField) {
    const view = editors.get(name);
    list.sort((a, b) => a.from - b.from);
    view.dispatch(setDiagnostics(view.state, list));
    forceLinting(view);
  }
}

function replace(view, from, to, insert) {
  view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: "input" });
  view.focus();
}

// mend does what a remark proposes: in an editor, or in the field of the subject.
function mend(li) {
  const [from, to, words] = [Number(li.dataset.fixFrom), Number(li.dataset.fixTo), li.dataset.fix];
  const view = editors.get(li.dataset.in);
  if (view) {
    const size = view.state.doc.length;
    replace(view, Math.min(from, size), Math.min(to, size), words);
    return;
  }
  const input = document.querySelector(`#draft [name="${CSS.escape(li.dataset.in)}"]`);
  if (!input) return;
  input.setRangeText(words.trim(), from, to, "end");
  changed(input);
  input.focus();
}

function insert(words) {
  if (last instanceof EditorView) {
    let { from, to } = last.state.selection.main;
    const line = last.state.doc.lineAt(from);
    for (const m of line.text.matchAll(liquidIn)) { // not inside another one: after it
      const [start, end] = [line.from + m.index, line.from + m.index + m[0].length];
      if (from > start && from < end) from = to = end;
    }
    replace(last, from, to, words);
  } else if (last) {
    last.setRangeText(words, last.selectionStart, last.selectionEnd, "end");
    changed(last);
    last.focus();
  }
}

function clicked(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const li = button.closest("[data-field]");
  if (button.dataset.insert !== undefined) insert(button.dataset.insert);
  else if (button.dataset.apply !== undefined) mend(button.closest("li"));
  else if (button.dataset.goto !== undefined && li) {
    const view = editors.get(li.dataset.field);
    if (!view) document.querySelector(`#draft [name="${CSS.escape(li.dataset.field)}"]`)?.focus();
    else {
      view.dispatch({ selection: { anchor: Math.min(Number(li.dataset.from), view.state.doc.length) }, scrollIntoView: true });
      view.focus();
    }
  } else if (button.dataset.show !== undefined) show(button.dataset.show);
}

// show switches between the editor and its preview where there is room for one of them only.
function show(which) {
  const ed = document.querySelector(".ed");
  if (!ed) return;
  ed.dataset.show = which;
  for (const b of document.querySelectorAll("[data-show][aria-pressed]")) {
    b.setAttribute("aria-pressed", String(b.dataset.show === which));
  }
}

function find(event) {
  const words = event.target.value.trim().toLowerCase();
  for (const a of document.querySelectorAll(".tree a[data-name]")) {
    a.closest("li").hidden = words !== "" && !a.dataset.name.includes(words);
  }
  for (const d of document.querySelectorAll(".tree details")) {
    const left = [...d.querySelectorAll("a[data-name]")].some((a) => !a.closest("li").hidden);
    d.closest("li").hidden = !left;
    if (words !== "" && left) d.open = true;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const area of document.querySelectorAll("textarea[data-editor]")) mount(area);
  for (const input of document.querySelectorAll("[data-takes-variables]")) {
    input.addEventListener("focus", () => { last = input; });
  }
  document.querySelector("#find")?.addEventListener("input", find);
  document.documentElement.classList.add("js");
  show(new URLSearchParams(location.search).has("sample") ? "preview" : "edit");
  settle();
});
document.addEventListener("click", clicked);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && document.querySelector("#draft")) {
    event.preventDefault();
    save(document.querySelector("#draft"));
  } else if (event.key === "Escape") {
    const open = document.querySelector("details.pop[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  } else if (event.key === "/" && !event.target.closest("input, textarea, .cm-editor")) {
    const field = document.querySelector("#find");
    if (field && field.offsetParent) { event.preventDefault(); field.focus(); }
  }
});
document.addEventListener("htmx:afterSettle", settle);
document.addEventListener("htmx:beforeRequest", () => { document.body.dataset.busy = ""; });
document.addEventListener("htmx:afterRequest", () => { delete document.body.dataset.busy; });
// An answer that is not 200 still says something: a lapsed session, a text that is too long.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.xhr.getResponseHeader("X-Fragment")) event.detail.shouldSwap = true;
});
// Without an answer the words are only here: say so.
document.addEventListener("htmx:sendError", () => {
  const saved = document.querySelector("#saved");
  if (saved) saved.textContent = "Not saved: the server cannot be reached. Your words are still here.";
});
