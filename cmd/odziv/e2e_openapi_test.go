package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The configuration that the examples of openapi.yaml speak of.
const openAPIConfig = `
policy: {window: none, cooldown: none, reminders: none}
senders:
  bot: {channel: viber, driver: sandbox}
  sms: {channel: sms, driver: sandbox}
  mail: {channel: email, driver: sandbox}
triggers:
  after-delivery: {on: [order.delivered], where: {country: [HR, SI]}, survey: nps-after-purchase}
  after-any: {on: ["order.*"], survey: ces-after-return}
`

// What the document has for ids; those of a run take their place.
const (
	exampleSend     = "snd_01KAH3Q9V2J8T5N4E6R7W0XYZA"
	exampleSend2    = "snd_01KAH3Q9V2J8T5N4E6R7W0XYZB"
	exampleContact  = "con_01KAH3Q9V2J8T5N4E6R7W0XYZA"
	exampleContact2 = "con_01KAH3Q9V2J8T5N4E6R7W0XYZB"
	exampleResponse = "rsp_01KAH41M3Q8Z7P2S9D6F5G4H3J"
	exampleKey      = "key_01KAH3Q9V2J8T5N4E6R7W0XYZA"
)

type openAPI struct {
	Paths      map[string]map[string]apiCall
	Components struct {
		Schemas    schemas
		Parameters map[string]apiParameter
		Responses  map[string]apiBody
	}
}

type apiCall struct {
	OperationID  string
	Parameters   []apiParameter
	RequestBody  apiBody
	Responses    map[string]apiBody
	method, path string
}

type apiParameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Example  any
	Schema   *schema
}

type apiBody struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema   *schema
		Examples map[string]struct{ Value any }
	}
}

// A reader of the document makes the calls that it describes.
type openAPIReader struct {
	t     *testing.T
	p     *process
	doc   openAPI
	calls map[string]apiCall // by operationId
	known map[string]string  // an id of the document and the one that stands for it
	moved time.Duration      // from the day of the examples to this one
}

func newOpenAPIReader(t *testing.T, p *process) *openAPIReader {
	t.Helper()
	o := &openAPIReader{t: t, p: p, calls: map[string]apiCall{}, known: map[string]string{}}
	o.moved = time.Since(time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)).Truncate(time.Second)
	if status := p.call(http.MethodGet, "/openapi.json", nil, &o.doc); status != http.StatusOK {
		t.Fatalf("the document: %d", status)
	}
	for path, methods := range o.doc.Paths {
		for method, c := range methods {
			c.method, c.path = strings.ToUpper(method), path
			for i, par := range c.Parameters {
				if par.Ref != "" {
					c.Parameters[i] = o.doc.Components.Parameters[strings.TrimPrefix(par.Ref, "#/components/parameters/")]
				}
			}
			o.calls[c.OperationID] = c
		}
	}
	return o
}

var exampleTime = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// today gives text of the document with the ids of this run, and with its times as far from now as they are from the day of the examples.
func (o *openAPIReader) today(text string) string {
	for id, is := range o.known {
		text = strings.ReplaceAll(text, id, is)
	}
	return exampleTime.ReplaceAllStringFunc(text, func(s string) string {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			o.t.Errorf("a time of the document: %v", err)
		}
		return at.Add(o.moved).Format(time.RFC3339)
	})
}

// address is the path of a call with its ids, and with the examples of these parameters of its query.
func (o *openAPIReader) address(c apiCall, query ...string) string {
	o.t.Helper()
	path, values := c.path, url.Values{}
	for _, par := range c.Parameters {
		example := o.today(fmt.Sprint(par.Example))
		switch {
		case par.In == "path" && par.Example == nil:
			o.t.Errorf("%s: {%s} has no example", c.OperationID, par.Name)
		case par.In == "path":
			path = strings.ReplaceAll(path, "{"+par.Name+"}", example)
		case slices.Contains(query, par.Name):
			values.Set(par.Name, example)
		}
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return path
}

// ask makes a call and holds its answer against what is documented for that status.
func (o *openAPIReader) ask(c apiCall, address, media, body string, headers ...string) (status int, header http.Header, v any) {
	o.t.Helper()
	what := c.method + " " + address
	req, err := http.NewRequestWithContext(o.t.Context(), c.method, o.p.url()+address, bytes.NewReader([]byte(body)))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bootstrapKey)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	documented, ok := c.Responses[fmt.Sprint(resp.StatusCode)]
	if !ok {
		o.t.Fatalf("%s: %d is not documented: %s", what, resp.StatusCode, text)
	}
	if documented.Ref != "" {
		documented = o.doc.Components.Responses[strings.TrimPrefix(documented.Ref, "#/components/responses/")]
	}
	if len(documented.Content) == 0 && len(text) == 0 {
		return resp.StatusCode, resp.Header, nil
	}
	as, ok := documented.Content[strings.TrimSpace(strings.Split(resp.Header.Get("Content-Type"), ";")[0])]
	if err := json.Unmarshal(text, &v); err != nil || !ok {
		o.t.Fatalf("%s: %d as %s: %s (%v)", what, resp.StatusCode, resp.Header.Get("Content-Type"), text, err)
	}
	for _, fault := range o.doc.Components.Schemas.check("", as.Schema, v) {
		o.t.Errorf("%s: the answer %d is not as documented: %s\n%s", what, resp.StatusCode, fault, text)
	}
	return resp.StatusCode, resp.Header, v
}

// examples makes a call with each example of its body: first dry, where there is a dry run, then in earnest, then again under the
// same Idempotency-Key, where it takes one. It gives the answers by the names of the examples.
func (o *openAPIReader) examples(c apiCall) map[string]any {
	o.t.Helper()
	answers := map[string]any{}
	takes := func(name string) bool {
		return slices.ContainsFunc(c.Parameters, func(p apiParameter) bool { return p.Name == name })
	}
	for media, content := range c.RequestBody.Content {
		if len(content.Examples) == 0 {
			o.t.Errorf("%s has no example of %s", c.OperationID, media)
		}
		for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
			value := content.Examples[name].Value
			for _, fault := range o.doc.Components.Schemas.check("", content.Schema, value) {
				o.t.Errorf("%s, example %s is not as documented: %s", c.OperationID, name, fault)
			}
			body, isText := value.(string)
			if !isText {
				text, err := json.Marshal(value)
				if err != nil {
					o.t.Fatal(err)
				}
				body = string(text)
			}
			body = o.today(body)
			what := c.OperationID + ", example " + name
			if takes("dry_run") {
				status, _, v := o.ask(c, o.address(c, "dry_run"), media, body)
				o.taken(what+", dry", status, v)
			}
			key := []string{"Idempotency-Key", c.OperationID + "-" + name}
			if !takes("Idempotency-Key") {
				key = nil
			}
			status, _, v := o.ask(c, o.address(c), media, body, key...)
			o.taken(what, status, v)
			if key != nil {
				if again, header, _ := o.ask(c, o.address(c), media, body, key...); again != status || header.Get("Idempotency-Replayed") != "true" {
					o.t.Errorf("%s again: %d, then %d %v", what, status, again, header)
				}
			}
			answers[name] = v
		}
	}
	return answers
}

// taken: an example is one that is taken, whole.
func (o *openAPIReader) taken(what string, status int, v any) {
	o.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		o.t.Fatal(err)
	}
	if status >= 300 || bytes.Contains(text, []byte(`"status":422`)) {
		o.t.Errorf("%s: %d %s", what, status, text)
	}
}

// reads makes a GET plainly and with each parameter of its query alone, until each list has something in it.
func (o *openAPIReader) reads(c apiCall) (v any) {
	o.t.Helper()
	one := func(what, address string) (v any) {
		o.t.Helper()
		await(o.t, c.OperationID+" "+what+" has something", 15*time.Second, func() (string, bool) {
			var status int
			status, _, v = o.ask(c, address, "", "")
			list, ok := v.(map[string]any)["items"].([]any)
			return fmt.Sprint(status, v), status == http.StatusOK && (!ok || len(list) > 0)
		})
		return v
	}
	for _, par := range c.Parameters {
		switch {
		case par.In != "query":
		case par.Name == "cursor":
			first := one("limit=1", o.address(c)+"?limit=1")
			if next, ok := first.(map[string]any)["next"].(string); ok {
				one("the next page", o.address(c)+"?limit=1&cursor="+url.QueryEscape(next))
			}
			if c.OperationID == "listSuppressions" { // its cursor is an address: any is a place
				continue
			}
			if status, _, v := o.ask(c, o.address(c)+"?cursor=x", "", ""); status != http.StatusBadRequest || dig(v, "code") != "bad_request" {
				o.t.Errorf("%s of a cursor that no page gave: %d %v", c.OperationID, status, v)
			}
		case par.Example == nil:
			o.t.Errorf("%s: %s has no example", c.OperationID, par.Name)
		default:
			for _, fault := range o.doc.Components.Schemas.check("", par.Schema, par.Example) {
				o.t.Errorf("%s: the example of %s is not as documented: %s", c.OperationID, par.Name, fault)
			}
			one(par.Name, o.address(c, par.Name))
		}
	}
	return one("", o.address(c))
}
