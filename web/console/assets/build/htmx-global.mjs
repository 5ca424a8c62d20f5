// htmx reads its settings from a meta element; nothing of it is evaluated and no style is added, so that the
// content security policy stays strict. This file exists to be imported before htmx starts.
const meta = document.createElement("meta");
meta.name = "htmx-config";
meta.content = JSON.stringify({
  includeIndicatorStyles: false, allowEval: false, allowScriptTags: false, selfRequestsOnly: true, historyEnabled: false,
});
document.head.append(meta);
