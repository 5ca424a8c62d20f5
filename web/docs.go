package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

//go:embed docs/reference.html docs/problems.html docs/style.css
var docsFiles embed.FS

// Docs are the description of the API for programs and the reference for people, both made of one document when
// they are first asked for. They load nothing from elsewhere.
type Docs struct{ made func() (*pages, error) }

type pages struct {
	openapi   []byte
	reference []byte
	problems  map[string][]byte // by code with dashes; "" is the list of all
	style     []byte
}

// NewDocs makes them of an OpenAPI 3.1 document in YAML, which has to be a good one: it is part of the program.
// Examples show publicURL as the server.
func NewDocs(openapi []byte, publicURL string) *Docs {
	return &Docs{made: sync.OnceValues(func() (*pages, error) { return newPages(openapi, publicURL) })}
}

func newPages(openapi []byte, publicURL string) (*pages, error) {
	d := &pages{problems: make(map[string][]byte)}
	asJSON, err := yaml.YAMLToJSON(openapi)
	if err != nil {
		return nil, fmt.Errorf("read openapi document: %w", err)
	}
	var packed bytes.Buffer
	if err := json.Compact(&packed, asJSON); err != nil {
		return nil, fmt.Errorf("compact openapi document: %w", err)
	}
	d.openapi = packed.Bytes()
	if d.style, err = docsFiles.ReadFile("docs/style.css"); err != nil {
		return nil, fmt.Errorf("read style: %w", err)
	}
	views, err := template.New("").Funcs(template.FuncMap{"prose": prose, "problemPath": ProblemPath, "anchor": anchor}).
		ParseFS(docsFiles, "docs/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	ref, err := newReference(openapi, publicURL)
	if err != nil {
		return nil, err
	}
	if d.reference, err = render(views, "reference.html", ref); err != nil {
		return nil, err
	}
	return d, d.renderProblems(views)
}

func (d *pages) renderProblems(views *template.Template) (err error) {
	if d.problems[""], err = render(views, "problems.html", map[string]any{"All": codes}); err != nil {
		return err
	}
	for _, c := range codes {
		name := strings.ReplaceAll(c.Code, "_", "-")
		if d.problems[name], err = render(views, "problems.html", map[string]any{"One": c, "Example": exampleOf(c)}); err != nil {
			return err
		}
	}
	return nil
}

func exampleOf(c Code) string {
	p := NewProblem(c.Code, "…").At("https://ask.example.hr", "req_01KAH3Q9V2J8T5N4E6R7W0XYZB")
	if c.Status == http.StatusUnprocessableEntity || c.Status == http.StatusBadRequest {
		p.Errors = []survey.FieldError{{Pointer: "/…", Code: c.Code, Detail: "…"}}
	}
	return pretty(p)
}

func render(views *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := views.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// Mount serves /openapi.json, /docs and the pages of problems.
func (d *Docs) Mount(app fiber.Router) {
	app.Get("/openapi.json", d.serve(fiber.MIMEApplicationJSON, func(_ *fiber.Ctx, p *pages) []byte { return p.openapi }))
	app.Get("/docs", d.serve(fiber.MIMETextHTMLCharsetUTF8, func(_ *fiber.Ctx, p *pages) []byte { return p.reference }))
	app.Get("/docs/style.css", d.serve("text/css; charset=utf-8", func(_ *fiber.Ctx, p *pages) []byte { return p.style }))
	app.Get("/docs/problems/:code?", d.serve(fiber.MIMETextHTMLCharsetUTF8, func(c *fiber.Ctx, p *pages) []byte {
		return p.problems[c.Params("code")]
	}))
}

func (d *Docs) serve(kind string, choose func(*fiber.Ctx, *pages) []byte) fiber.Handler {
	return func(c *fiber.Ctx) error {
		made, err := d.made()
		if err != nil {
			return err
		}
		body := choose(c, made)
		if body == nil {
			return fmt.Errorf("%w: no problem has this code", survey.ErrNotFound)
		}
		c.Set(fiber.HeaderContentType, kind)
		c.Set(fiber.HeaderCacheControl, "public, max-age=300")
		return c.Send(body)
	}
}

// A reference is the document in the order in which people read it.
type reference struct {
	Title, Version, Summary, Description string
	Server                               string
	Groups                               []group
	Schemas                              []schema
}

type group struct {
	Name, Description string
	Operations        []operation
}

type operation struct {
	ID, Method, Path, Summary, Description, Scope string
	Parameters                                    []field
	Bodies                                        []body
	Samples                                       []sample
	Answers                                       []reply
}

type body struct{ Media, Schema string }

type sample struct{ Title, Code string }

type reply struct{ Status, Description, Schema, Example string }

type schema struct {
	Name, Description string
	Values            []string
	Fields            []field
}

type field struct {
	Name, In, Type, Schema, Description string
	Required                            bool
	Notes                               []string
}

// A node is any part of the document, its members in their order.
type node struct{ v any }

func (n node) at(path ...string) node {
	for _, name := range path {
		m, _ := n.v.(yaml.MapSlice)
		n = node{}
		for _, item := range m {
			if fmt.Sprint(item.Key) == name {
				n = node{item.Value}
			}
		}
	}
	return n
}

func (n node) text() string {
	if n.v == nil {
		return ""
	}
	return fmt.Sprint(n.v)
}

// each gives the members of an object, or the elements of a list with their place as name.
func (n node) each(visit func(name string, v node)) {
	switch v := n.v.(type) {
	case yaml.MapSlice:
		for _, item := range v {
			visit(fmt.Sprint(item.Key), node{item.Value})
		}
	case []any:
		for i, item := range v {
			visit(strconv.Itoa(i), node{item})
		}
	}
}

func (n node) list() (items []string) {
	n.each(func(_ string, v node) { items = append(items, v.text()) })
	return items
}

// follow gives what a $ref points to, and its name.
func (n node) follow(root node) (node, string) {
	ref := n.at("$ref").text()
	if ref == "" {
		return n, ""
	}
	parts := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	return root.at(parts...), parts[len(parts)-1]
}

func newReference(openapi []byte, server string) (reference, error) {
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(openapi, &doc, yaml.UseOrderedMap()); err != nil {
		return reference{}, fmt.Errorf("read openapi document: %w", err)
	}
	root := node{doc}
	info := root.at("info")
	ref := reference{
		Title: info.at("title").text(), Version: info.at("version").text(), Summary: info.at("summary").text(),
		Description: info.at("description").text(), Server: server,
	}
	root.at("tags").each(func(_ string, tag node) {
		ref.Groups = append(ref.Groups, group{Name: tag.at("name").text(), Description: tag.at("description").text()})
	})
	root.at("paths").each(func(path string, methods node) {
		methods.each(func(method string, op node) {
			tags := op.at("tags").list()
			for i := range ref.Groups {
				if slices.Contains(tags, ref.Groups[i].Name) {
					ref.Groups[i].Operations = append(ref.Groups[i].Operations, newOperation(root, op, strings.ToUpper(method), path, server))
				}
			}
		})
	})
	root.at("components", "schemas").each(func(name string, s node) {
		made := schema{Name: name, Description: s.at("description").text(), Values: s.at("enum").list()}
		required := s.at("required").list()
		s.at("properties").each(func(name string, p node) {
			f := newField(root, name, p)
			f.Required = slices.Contains(required, name)
			made.Fields = append(made.Fields, f)
		})
		ref.Schemas = append(ref.Schemas, made)
	})
	return ref, nil
}

func newOperation(root, op node, method, path, server string) operation {
	o := operation{
		ID: op.at("operationId").text(), Method: method, Path: path, Summary: op.at("summary").text(),
		Description: op.at("description").text(), Scope: op.at("x-scope").text(),
	}
	op.at("parameters").each(func(_ string, p node) {
		p, _ = p.follow(root)
		f := newField(root, p.at("name").text(), p.at("schema"))
		f.In, f.Description, f.Required = p.at("in").text(), p.at("description").text(), p.at("required").text() == "true"
		o.Parameters = append(o.Parameters, f)
	})
	op.at("requestBody", "content").each(func(media string, content node) {
		_, name := typeOf(root, content.at("schema"))
		o.Bodies = append(o.Bodies, body{media, name})
		content.at("examples").each(func(_ string, example node) {
			o.Samples = append(o.Samples, sample{example.at("summary").text(), curl(server, method, path, media, example.at("value"))})
		})
	})
	if o.Samples == nil {
		o.Samples = []sample{{"", curl(server, method, path, "", node{})}}
	}
	op.at("responses").each(func(status string, r node) {
		r, _ = r.follow(root)
		a := reply{Status: status, Description: r.at("description").text()}
		r.at("content").each(func(_ string, content node) {
			_, a.Schema = typeOf(root, content.at("schema"))
			content.at("examples").each(func(_ string, example node) { a.Example = pretty(plain(example.at("value").v)) })
		})
		o.Answers = append(o.Answers, a)
	})
	return o
}

func newField(root node, name string, s node) field {
	f := field{Name: name, Description: s.at("description").text()}
	f.Type, f.Schema = typeOf(root, s)
	if of := s.at("enum").list(); of != nil {
		f.Notes = append(f.Notes, strings.Join(of, " · "))
	}
	for _, note := range []struct{ key, word string }{
		{"default", "default "}, {"minimum", "least "}, {"maximum", "most "}, {"maxLength", "at most %s bytes"}, {"maxProperties", "at most "},
	} {
		if v := s.at(note.key).text(); v != "" {
			if before, after, ok := strings.Cut(note.word, "%s"); ok {
				f.Notes = append(f.Notes, before+v+after)
			} else {
				f.Notes = append(f.Notes, note.word+v)
			}
		}
	}
	if of := s.at("examples").list(); of != nil {
		f.Notes = append(f.Notes, "like "+strings.Join(of, ", "))
	}
	return f
}

// typeOf names the type of a schema, and the schema that it refers to, if any.
func typeOf(root, s node) (kind, name string) {
	resolved, name := s.follow(root)
	switch {
	case name != "":
		kind = resolved.at("type").text()
	case s.at("type").text() == "array":
		kind, name = typeOf(root, s.at("items"))
		kind = "list of " + kind
	case s.at("type").list() != nil:
		words := s.at("type").list()
		kind = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "null" }), " or ")
	default:
		kind = s.at("type").text()
	}
	if format := s.at("format").text(); format == "date-time" {
		kind = "time"
	}
	return kind, name
}

// curl shows a call as it is pasted into a shell.
func curl(server, method, path, media string, value node) string {
	var b strings.Builder
	b.WriteString("curl ")
	if method != http.MethodGet {
		b.WriteString("-X " + method + " ")
	}
	b.WriteString(server + strings.NewReplacer("{", "$", "}", "").Replace(path) + " \\\n  -H \"Authorization: Bearer $ODZIV_KEY\"")
	if media == "" {
		return b.String()
	}
	b.WriteString(" \\\n  -H 'Content-Type: " + media + "' \\\n")
	text, isText := value.v.(string)
	if !isText {
		text = pretty(plain(value.v))
	}
	b.WriteString("  --data-binary '" + strings.ReplaceAll(strings.TrimSpace(text), "'", `'\''`) + "'")
	return b.String()
}

// plain turns ordered objects into what encodes in their order.
func plain(v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		return ordered(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	default:
		return v
	}
}

type ordered yaml.MapSlice

// MarshalJSON keeps the order of the document.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, item := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", fmt.Sprint(item.Key))
		value, err := encode(plain(item.Value))
		if err != nil {
			return nil, err
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// pretty indents for people; what cannot be encoded is a fault in the document, and shows as such.
func pretty(v any) string {
	flat, err := encode(v)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	if err := json.Indent(&b, flat, "", "  "); err != nil {
		return err.Error()
	}
	return b.String()
}

// prose writes the little Markdown that the document uses: paragraphs, **strong** and `code`.
func prose(s string) template.HTML {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		text := template.HTMLEscapeString(strings.TrimSpace(part))
		b.WriteString("<p>" + pair(pair(text, "`", "code"), "**", "strong") + "</p>")
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above, part by part
}

// pair puts what stands between two marks into an element.
func pair(s, mark, element string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, mark) {
		switch {
		case i == 0:
		case i%2 == 1:
			b.WriteString("<" + element + ">")
		default:
			b.WriteString("</" + element + ">")
		}
		b.WriteString(part)
	}
	return b.String()
}

func anchor(s string) string { return "schema-" + strings.ToLower(s) }
