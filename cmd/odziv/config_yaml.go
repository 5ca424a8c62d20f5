package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// parseConfig reads the text of odziv.yaml into c and gives every mistake in it with its place.
func parseConfig(file string, text []byte, getenv func(string) string, c *Config) configError {
	r := &yamlReader{file: file, getenv: getenv}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return configError{syntaxFault(file, err)}
	}
	if len(tree.Docs) > 1 && tree.Docs[1].Body != nil {
		return configError{{r.place(tree.Docs[1].Body), "a second document begins here: the file holds one"}}
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return nil
	}
	r.fields(tree.Docs[0].Body, "the file", r.top(c))
	return r.faults
}

func syntaxFault(file string, err error) configFault {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p := at.GetToken().Position
		return configFault{fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column), at.GetMessage()}
	}
	return configFault{file, "is not YAML: " + err.Error()}
}

// A yamlReader walks the tree of the file and collects what is wrong in it.
type yamlReader struct {
	file   string
	getenv func(string) string
	faults configError
}

// place is file:line:column.
func (r *yamlReader) place(n ast.Node) string {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d:%d", r.file, t.Position.Line, t.Position.Column)
	}
	return r.file
}

func (r *yamlReader) fault(n ast.Node, format string, args ...any) {
	r.faults = append(r.faults, configFault{r.place(n), fmt.Sprintf(format, args...)})
}

// fields hands each member of a mapping to the function of its key, and refuses unknown keys.
func (r *yamlReader) fields(n ast.Node, what string, known map[string]func(ast.Node)) {
	for key, value := range r.members(n, what) {
		if read, ok := known[key.name]; ok {
			read(value)
			continue
		}
		names := slices.Sorted(maps.Keys(known))
		hint := meant(key.name, names)
		if hint == "" {
			hint = "; the keys here are " + strings.Join(names, ", ")
		}
		r.fault(key.node, "unknown key %q in %s%s", key.name, what, hint)
	}
}

type yamlKey struct {
	name string
	node ast.Node
}

// members gives the keys and values of a mapping in their order; for anything else it is a mistake.
func (r *yamlReader) members(n ast.Node, what string) func(func(yamlKey, ast.Node) bool) {
	return func(yield func(yamlKey, ast.Node) bool) {
		switch n := n.(type) {
		case *ast.MappingNode:
			for _, m := range n.Values {
				if !yield(yamlKey{m.Key.GetToken().Value, m.Key}, m.Value) {
					return
				}
			}
		case *ast.MappingValueNode:
			yield(yamlKey{n.Key.GetToken().Value, n.Key}, n.Value)
		case nil, *ast.NullNode, *ast.CommentGroupNode:
		default:
			r.fault(n, "%s is not a list of keys and values: write key: value", what)
		}
	}
}

// text is a scalar with its ${NAME} replaced from the environment; ok is false, and the mistake noted, when
// there is none.
func (r *yamlReader) text(n ast.Node) (s string, ok bool) {
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return "", true
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.AnchorNode, *ast.AliasNode:
		r.fault(n, "anchors and aliases are not read here: write the value itself")
		return "", false
	default:
		r.fault(n, "a single value is wanted here")
		return "", false
	}
	s, err := expand(s, r.getenv)
	if err != nil {
		r.fault(n, "%s", err)
		return "", false
	}
	return s, true
}

// expand replaces each ${NAME}; $${ stands for ${ itself.
func expand(s string, getenv func(string) string) (string, error) {
	var out strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		if at > 0 && s[at-1] == '$' {
			out.WriteString(s[:at-1] + "${")
			s = s[at+2:]
			continue
		}
		name, rest, closed := strings.Cut(s[at+2:], "}")
		if !closed || !variableName(name) {
			return "", errors.New("${ begins the name of an environment variable: write ${NAME}, or $${ for the two characters")
		}
		value := getenv(name)
		if value == "" {
			return "", fmt.Errorf("environment variable %s is not set, or empty: set it, or write the value here", name)
		}
		out.WriteString(s[:at] + value)
		s = rest
	}
}

func variableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// value reads a scalar by set. An empty one counts as not given.
func (r *yamlReader) value(key string, set func(string) error) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n)
		if !ok || s == "" {
			return
		}
		if err := set(s); err != nil {
			r.fault(n, "%s: %s", key, err)
		}
	}
}

// duration reads a duration of at least least.
func (r *yamlReader) duration(key string, least time.Duration, to *time.Duration) func(ast.Node) {
	return r.value(key, func(s string) error {
		d, err := parseDuration(s)
		if err == nil && d < least {
			err = fmt.Errorf("%s is too short: write at least %s", s, least)
		}
		*to = d
		return err
	})
}

// list reads a sequence of scalars, or one scalar, by add.
func (r *yamlReader) list(key string, add func(string) error) func(ast.Node) {
	one := r.value(key, add)
	return func(n ast.Node) {
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			one(n)
			return
		}
		for _, v := range seq.Values {
			one(v)
		}
	}
}

func (r *yamlReader) top(c *Config) map[string]func(ast.Node) {
	known := map[string]func(ast.Node){
		"senders": func(n ast.Node) {
			for key, value := range r.members(n, "senders") {
				r.sender(c, key, value)
			}
		},
		"policy": func(n ast.Node) { r.policy(n, &c.Policy) },
		"triggers": func(n ast.Node) {
			for key, value := range r.members(n, "triggers") {
				r.trigger(c, key, value)
			}
		},
		"shops": func(n ast.Node) {
			for key, value := range r.members(n, "shops") {
				r.shop(c, key, value)
			}
		},
		"brand":    func(n ast.Node) { r.fields(n, "brand", r.brand(&c.Brand)) },
		"dispatch": func(n ast.Node) { r.fields(n, "dispatch", r.dispatch(&c.Dispatch)) },
		"roles": func(n ast.Node) {
			var names []string
			r.list("roles", func(s string) error {
				got, err := parseRoles(strings.Split(s, ","))
				names = append(names, got...)
				return err
			})(n)
			if len(names) > 0 {
				c.Roles, _ = parseRoles(names) // each was read above; this drops repetitions
			}
		},
		"trusted_proxies": func(n ast.Node) {
			c.TrustedProxies = nil
			r.list("trusted_proxies", func(s string) error {
				got, err := parseProxies(s)
				c.TrustedProxies = append(c.TrustedProxies, got...)
				return err
			})(n)
		},
	}
	for _, s := range settings() {
		if known[s.key] == nil {
			known[s.key] = r.value(s.key, func(v string) error { return s.set(c, v) })
		}
	}
	return known
}

func (r *yamlReader) brand(b *Brand) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"name":     r.value("name", keep(&b.Name)),
		"color":    r.value("color", keep(&b.Color, checkColor)),
		"address":  r.value("address", keep(&b.Address)),
		"timezone": r.value("timezone", keep(&b.Timezone, checkZone)),
	}
}

func (r *yamlReader) dispatch(d *Dispatch) map[string]func(ast.Node) {
	return map[string]func(ast.Node){
		"lease": r.duration("lease", time.Second, &d.Lease),
		"poll":  r.duration("poll", time.Millisecond, &d.Poll),
		"drain": r.duration("drain", 0, &d.Drain),

		"look_up":         r.duration("look_up", time.Millisecond, &d.LookUp),
		"uncertain_grace": r.duration("uncertain_grace", time.Second, &d.Grace),
	}
}

// keep stores a value that passes the checks.
func keep[T ~string](to *T, checks ...func(string) error) func(string) error {
	return func(s string) error {
		for _, check := range checks {
			if err := check(s); err != nil {
				return err
			}
		}
		*to = T(s)
		return nil
	}
}

func parseCount(to *int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 10_000 {
			return fmt.Errorf("%q is not a number from 1 to 10000", s)
		}
		*to = n
		return nil
	}
}
