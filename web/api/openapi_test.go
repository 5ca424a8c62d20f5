package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Scope       string `json:"x-scope"`
		RequestBody struct {
			Content map[string]struct {
				Examples map[string]struct{ Value json.RawMessage }
			}
		}
		Responses map[string]any
	}
	Components struct {
		Schemas map[string]struct {
			Properties map[string]any
			Enum       []string
		}
	}
}

func newDocument(t *testing.T) (document, answer) {
	t.Helper()
	got := newRig(t).call(t, "GET", "/openapi.json", "")
	var d document
	if err := json.Unmarshal([]byte(got.body), &d); err != nil {
		t.Fatal(err)
	}
	return d, got
}

// TestOpenAPICalls: every call is described, with the scope that it asks for, and nothing else is.
func TestOpenAPICalls(t *testing.T) {
	t.Parallel()
	d, got := newDocument(t)
	if got.status != 200 || got.header.Get("Content-Type") != mediaJSON || !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Errorf("%d %s, version %s", got.status, got.header.Get("Content-Type"), d.OpenAPI)
	}
	var described, registered []string
	for path, methods := range d.Paths {
		if strings.HasPrefix(path, "/v1/triggers/") {
			continue // of the webhooks; a signature stands for the key
		}
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path+" "+op.Scope)
			if op.OperationID == "" || len(op.Responses) < 2 {
				t.Errorf("%s %s lacks an id or answers", method, path)
			}
		}
	}
	for _, r := range newRig(t).api.routes {
		registered = append(registered, r.method+" "+r.path+" "+r.scope)
	}
	slices.Sort(described)
	slices.Sort(registered)
	if diff := cmp.Diff(registered, described); diff != "" {
		t.Error(diff)
	}
}

// TestOpenAPIExamples: every example of a body is one that the call takes.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	d, _ := newDocument(t)
	tried := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			for media, content := range op.RequestBody.Content {
				for name, example := range content.Examples {
					body := string(example.Value)
					if media == mediaNDJSON {
						if err := json.Unmarshal(example.Value, &body); err != nil {
							t.Fatal(err)
						}
					}
					r := newRig(t)
					r.suppressions = []survey.Suppression{{Mode: survey.Live, Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeChannel}}
					got := r.call(t, strings.ToUpper(method), strings.Replace(path, "{id}", exampleContact, 1), body, "Content-Type", media)
					if got.status >= 300 || strings.Contains(got.body, `"status":422`) {
						t.Errorf("%s %s, example %s: %d %s", method, path, name, got.status, got.body)
					}
					tried++
				}
			}
		}
	}
	if tried < 7 {
		t.Errorf("tried %d examples", tried)
	}
}

// TestOpenAPIShapes: answers have the members that are described, and lists of values are those of the program.
func TestOpenAPIShapes(t *testing.T) {
	t.Parallel()
	d, got := newDocument(t)
	for name, v := range map[string]any{
		"Send": viewSend(survey.Send{Lane: "x", Consent: &survey.Consent{}, Metadata: []byte("{}")}), "Attempt": attemptView{},
		"Response": viewResponse(survey.Response{}), "Survey": survey.Survey{},
		"Sender":     viewSender(Sender{}, survey.LaneState{Reason: "x", Code: "1", Since: noon, Until: noon, OldestDue: noon}),
		"DeadLetter": letterView{Transaction: "x"}, "DeadLetterCount": letterCountView{}, "Replayed": replayView{Refused: []string{"x"}, Cursor: "x"},
		"Contact": viewContact(survey.Contact{ErasedAt: noon}), "Person": viewPerson(survey.Person{}), "ConsentRecord": consentView{Channel: "sms", SendID: "x"},
		"Erasure": erasureView{}, "Suppression": survey.Suppression{Subject: "x", SendID: "x"},
	} {
		var members map[string]any
		if err := json.Unmarshal(mustJSON(v), &members); err != nil {
			t.Fatal(err)
		}
		for m := range members {
			if _, ok := d.Components.Schemas[name].Properties[m]; !ok {
				t.Errorf("%s has %q, which is not described", name, m)
			}
		}
	}
	var statuses []string
	for _, s := range survey.Statuses() {
		statuses = append(statuses, string(s))
	}
	if diff := cmp.Diff(statuses, d.Components.Schemas["SendStatus"].Enum); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(auth.Scopes(), d.Components.Schemas["Scope"].Enum); diff != "" {
		t.Error(diff)
	}
	for _, ref := range regexp.MustCompile(`"#/components/([a-z]+)/([A-Za-z]+)"`).FindAllStringSubmatch(got.body, -1) {
		var all struct{ Components map[string]map[string]any }
		if err := json.Unmarshal([]byte(got.body), &all); err != nil {
			t.Fatal(err)
		}
		if all.Components[ref[1]][ref[2]] == nil {
			t.Errorf("%s points nowhere", ref[0])
		}
	}
}

// TestDocs: the reference names every call, and nothing in it comes from elsewhere.
func TestDocs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	page := r.call(t, "GET", "/docs", "")
	if page.status != 200 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", page.status, page.header.Get("Content-Type"))
	}
	for _, route := range r.api.routes {
		if !strings.Contains(page.body, "<code>"+route.path+"</code>") {
			t.Errorf("%s is not in the reference", route.path)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		switch link := m[1]; {
		case strings.HasPrefix(link, "#"):
			if !strings.Contains(page.body, fmt.Sprintf(`id=%q`, link[1:])) {
				t.Errorf("%s points nowhere", link)
			}
		case !strings.HasPrefix(link, "/"):
			t.Errorf("%s is elsewhere", link)
		default:
			if got := r.call(t, "GET", link, ""); got.status != 200 {
				t.Errorf("%s: %d", link, got.status)
			}
		}
	}
	if strings.Contains(page.body, "<script") || page.header.Get("Content-Security-Policy") == "" {
		t.Error("the reference has a script or no policy")
	}
}
