package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

// env answers from a list of NAME=value.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if v, ok := strings.CutPrefix(p, name+"="); ok {
				return v
			}
		}
		return ""
	}
}

func newConfigFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "odziv.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const fullConfig = `
listen: 0.0.0.0:9090
public_url: https://ask.example.hr/
data_dir: /var/lib/odziv
database_url: postgres://odziv:${DB_PASSWORD}@db:5432/odziv
redis_url: redis://redis:6379/1
log_level: debug
roles: [api, worker, api]
trusted_proxies: [127.0.0.1, "10.1.2.3/8", "fd00::/8"]
senders:
  mail:   {channel: email, driver: smtp, url: "smtp://user:${MAIL_PASSWORD}@host:587?tls=starttls", from: "Trgovina <ankete@example.hr>",
           reply_to: "", dkim: {domain: "", selector: "", key_file: ""}, rate: ["50/s", "100000/day"], concurrency: 7}
  sms:    {channel: sms, driver: twilio, base_url: "http://127.0.0.1:4010/", account_sid: AC123, auth_token: "${TWILIO_AUTH_TOKEN}", from: "+385911234567", rate: ["10/s"]}
  bot:    {channel: viber, driver: viber-bot, base_url: "", auth_token: "${VIBER_TOKEN}", name: Trgovina}
  phone:
    channel: sms
    driver: sandbox
policy: {window: none, cooldown: 30d, test: enforce}
brand:
  name: Trgovina $${x}
  color: "#0b6e4f"
  timezone: Europe/Zagreb
dispatch: {lease: 2m, poll: 1s, drain: 0s}
`

func TestConfigFile(t *testing.T) {
	t.Parallel()
	getenv := env("DB_PASSWORD=dbpw", "MAIL_PASSWORD=mailpw", "TWILIO_AUTH_TOKEN=tw", "VIBER_TOKEN=vb")
	got, err := loadConfig(newConfigFile(t, fullConfig), getenv, configFlags{})
	if err != nil {
		t.Fatal(err)
	}
	wantPolicy := defaultPolicy()
	wantPolicy.Window, wantPolicy.Enforce, wantPolicy.Fatigue.AfterInvite = Window{}, true, survey.Cooldown{Any: 30 * 24 * time.Hour}
	want := Config{ //nolint:gosec // no secret
		Listen: "0.0.0.0:9090", PublicURL: "https://ask.example.hr", DataDir: "/var/lib/odziv",
		DatabaseURL: "postgres://odziv:dbpw@db:5432/odziv", RedisURL: "redis://redis:6379/1",
		LogLevel: slog.LevelDebug, Sandbox: "auto", Roles: []string{"api", "worker"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		Senders: []Sender{
			{
				Name: "mail", Channel: survey.Email, Driver: "smtp", URL: "smtp://user:mailpw@host:587?tls=starttls",
				From: "Trgovina <ankete@example.hr>", Rate: []Rate{{N: 50, Per: time.Second}, {N: 100000, Per: 24 * time.Hour}}, Concurrency: 7,
			},
			{
				Name: "sms", Channel: survey.SMS, Driver: "twilio", BaseURL: "http://127.0.0.1:4010", AccountSID: "AC123",
				AuthToken: "tw", From: "+385911234567", Rate: []Rate{{N: 10, Per: time.Second}}, Concurrency: 20,
			},
			{Name: "bot", Channel: survey.Viber, Driver: "viber-bot", AuthToken: "vb", SenderName: "Trgovina", Concurrency: 20},
			{Name: "phone", Channel: survey.SMS, Driver: "sandbox", Concurrency: 20},
		},
		Policy:   wantPolicy,
		Brand:    Brand{Name: "Trgovina ${x}", Color: "#0b6e4f", Timezone: "Europe/Zagreb"},
		Dispatch: Dispatch{Lease: 2 * time.Minute, Poll: time.Second},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("loadConfig: -want +got\n%s", diff)
	}
}

func TestConfigWithoutFile(t *testing.T) {
	t.Parallel()
	got, err := loadConfig("", env("ODZIV_CONFIG="+newConfigFile(t, "# nothing\n")), configFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaultConfig(), got); diff != "" {
		t.Errorf("an empty file is not the defaults: -want +got\n%s", diff)
	}
	if _, err := loadConfig(filepath.Join(t.TempDir(), "none.yaml"), env(), configFlags{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is missing: error %v, want os.ErrNotExist", err)
	}
}

func TestExampleConfigs(t *testing.T) {
	t.Parallel()
	getenv := env("SMTP_PASSWORD=a", "TWILIO_AUTH_TOKEN=b", "VIBER_TOKEN=c", "SHOPIFY_SECRET=d")
	for name, senders := range map[string]int{"odziv.yaml": 4, "odziv.compose.yaml": 3} {
		c, err := loadConfig("../../examples/"+name, getenv, configFlags{})
		if err != nil || len(c.Senders) != senders {
			t.Errorf("%s: %v, %d senders, want %d", name, err, len(c.Senders), senders)
		}
	}
}

func TestConfigLayers(t *testing.T) {
	t.Parallel()
	file := newConfigFile(t, "listen: 127.0.0.1:1\ndata_dir: from-file\n")
	tests := []struct {
		name   string
		getenv func(string) string
		flags  configFlags
		listen string
	}{
		{"file", env(), configFlags{}, "127.0.0.1:1"},
		{"environment wins over the file", env("ODZIV_LISTEN=127.0.0.1:2"), configFlags{}, "127.0.0.1:2"},
		{"flag wins over both", env("ODZIV_LISTEN=127.0.0.1:2"), configFlags{Listen: "127.0.0.1:3"}, "127.0.0.1:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := loadConfig(file, tt.getenv, tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			if c.Listen != tt.listen || c.DataDir != "from-file" {
				t.Errorf("listen %s, data_dir %s; want %s, from-file", c.Listen, c.DataDir, tt.listen)
			}
		})
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text string
		want []string // one mistake a line, without the folder of the file
	}{
		{"unknown key", "lisen: 127.0.0.1:1\n", []string{`odziv.yaml:1:1: unknown key "lisen" in the file; did you mean "listen"?`}},
		{"all at once", "listen: nowhere\npolicy:\n  cooldwn: 90d\n  window: 20-9\n", []string{
			`odziv.yaml:1:9: listen: "nowhere" is not host:port: write 127.0.0.1:8080, or :8080 for every address`,
			`odziv.yaml:3:3: unknown key "cooldwn" in policy; did you mean "cooldown"?`,
			`odziv.yaml:4:11: window: "20-9" is not a time window: write 09:00-20:00, or none`,
		}},
		{"no near key", "policy: {colour: red}\n", []string{`odziv.yaml:1:10: unknown key "colour" in policy; the keys here are blocked, consent, cooldown, cooldowns, holidays, limits, reach, reminders, rules, swap, test, viber, window`}},
		{"missing variable", "data_dir: ${NOT_THERE}/x\n", []string{`odziv.yaml:1:11: environment variable NOT_THERE is not set, or empty: set it, or write the value here`}},
		{"half a variable", "data_dir: ${NOT\n", []string{`odziv.yaml:1:11: ${ begins the name of an environment variable: write ${NAME}, or $${ for the two characters`}},
		{"same key twice", "listen: :1\nlisten: :2\n", []string{`odziv.yaml:2:1: mapping key "listen" already defined at [1:1]`}},
		{"a list where a value is", "listen: [a]\n", []string{`odziv.yaml:1:9: a single value is wanted here`}},
		{"a value where keys are", "policy: strict\n", []string{`odziv.yaml:1:9: policy is not a list of keys and values: write key: value`}},
		{"anchor", "listen: &a :1\n", []string{`odziv.yaml:1:9: anchors and aliases are not read here: write the value itself`}},
		{"two documents", "listen: :1\n---\nlisten: :2\n", []string{`odziv.yaml:3:7: a second document begins here: the file holds one`}},
		{"sentinel", "redis_url: redis-sentinel://a:1\n", []string{`odziv.yaml:1:12: redis_url: redis-sentinel:// is not supported yet: write redis:// or rediss:// with the address of one server`}},
		{"other database", "database_url: mysql://root:secretpw@a/b\n", []string{`odziv.yaml:1:15: database_url: is not a PostgreSQL address: write postgres://user:password@host:5432/name, or leave it empty for SQLite in data_dir`}},
		{"password with a slash", "database_url: postgres://root:secret/pw@a/b\n", []string{`odziv.yaml:1:15: database_url: is not an address: write scheme://user:password@host:port, with %-escapes for / : @ # ? % in the password`}},
		{"relative public_url", "public_url: ask.example.hr\n", []string{`odziv.yaml:1:13: public_url: is not an absolute address: write https://ask.example.hr, without user, query or #`}},
		{"unknown role", "roles: [api, workers]\n", []string{`odziv.yaml:1:14: roles: unknown role "workers"; did you mean "worker"?; the roles are api, webhooks, worker, console`}},
		{"proxies", "trusted_proxies: [10.0.0.0/33, proxy.example.hr, 0.0.0.0/0]\n", []string{
			`odziv.yaml:1:19: trusted_proxies: "10.0.0.0/33" is neither an address nor a network: write 127.0.0.1 or 10.0.0.0/8`,
			`odziv.yaml:1:32: trusted_proxies: "proxy.example.hr" is neither an address nor a network: write 127.0.0.1 or 10.0.0.0/8`,
			`odziv.yaml:1:50: trusted_proxies: "0.0.0.0/0" is everybody: name your own proxies, such as 127.0.0.1 or 10.0.0.0/8`,
		}},
		{"level", "log_level: loud\n", []string{`odziv.yaml:1:12: log_level: "loud" is no log level: write debug, info, warn or error`}},
		{"zone", "brand: {timezone: Zagreb, color: red}\n", []string{
			`odziv.yaml:1:19: timezone: "Zagreb" is not a time zone: write Europe/Zagreb`,
			`odziv.yaml:1:34: color: "red" is not a colour: write #0b6e4f, in quotes`,
		}},
		{"short lease", "dispatch: {lease: 1ms}\n", []string{`odziv.yaml:1:19: lease: 1ms is too short: write at least 1s`}},
		{"policy.test", "policy: {test: yes}\n", []string{`odziv.yaml:1:16: test: "yes" is unknown: write record (the rules hold no test send back) or enforce`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkFaults(t, tt.text, tt.want)
		})
	}
}

func TestConfigRefusesSenders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sender string
		want   []string
	}{
		{"nothing", `a: {}`, []string{`odziv.yaml:2:3: sender a needs both channel and driver, such as channel: email, driver: smtp`}},
		{"driver of another channel", `a: {channel: sms, driver: viber-bot, auth_token: x, name: y}`, []string{`odziv.yaml:2:16: driver viber-bot does not send over sms: it is for viber`}},
		{"infobip", `a: {channel: viber, driver: infobip, api_key: x}`, []string{`odziv.yaml:2:31: driver: driver infobip is not built yet: take viber-bot, twilio, smtp or sandbox`}},
		{"unknown driver", `a: {channel: sms, driver: twillio}`, []string{`odziv.yaml:2:29: driver: unknown driver "twillio"; did you mean "twilio"?; the drivers are sandbox, smtp, twilio, viber-bot`}},
		{"unknown channel", `a: {channel: mail, driver: smtp}`, []string{`odziv.yaml:2:16: channel: unknown channel "mail"; did you mean "email"?; the channels are viber, sms, email`}},
		{"missing members", `a: {channel: sms, driver: twilio, from: "+1"}`, []string{
			`odziv.yaml:2:3: sender a needs account_sid (driver twilio)`,
			`odziv.yaml:2:3: sender a needs auth_token (driver twilio)`,
		}},
		{"member of another driver", `a: {channel: sms, driver: sandbox, url: "smtp://a:1"}`, []string{`odziv.yaml:2:43: url is not for driver sandbox: take it out`}},
		{"mailbox", `a: {channel: email, driver: smtp, url: "smtp://a:1", from: nobody}`, []string{`odziv.yaml:2:62: from: "nobody" is not a mailbox: write Trgovina <ankete@example.hr>`}},
		{"smtp address", `a: {channel: email, driver: smtp, url: "smtps://u:secretpw@a:1", from: a@b.hr}`, []string{`odziv.yaml:2:42: url: is not an SMTP address: write smtp://user:password@host:587?tls=starttls`}},
		{"tls", `a: {channel: email, driver: smtp, url: "smtp://u:secretpw@a:1?tls=maybe", from: a@b.hr}`, []string{`odziv.yaml:2:42: url: tls=maybe is unknown: write tls=none, starttls or implicit`}},
		{"half a dkim", `a: {channel: email, driver: smtp, url: "smtp://a:1", from: a@b.hr, dkim: {domain: b.hr}}`, []string{`odziv.yaml:2:76: dkim signs with domain, selector and key_file: set all three, or none`}},
		{"rates", `a: {channel: sms, driver: sandbox, rate: ["10/s", "many", "0/s"]}`, []string{
			`odziv.yaml:2:53: rate: "many" is not a rate: write 10/s, 600/min, 5000/h, 100000/day or 30 segments/s`,
			`odziv.yaml:2:61: rate: "0/s" is not a rate: write 10/s, 600/min, 5000/h, 100000/day or 30 segments/s`,
		}},
		{"name", `A b: {channel: sms, driver: sandbox}`, []string{`odziv.yaml:2:3: the sender name "A b" is part of addresses: take lower case letters, digits, - and _, at most 32`}},
		{"concurrency", `a: {channel: sms, driver: sandbox, concurrency: lots}`, []string{`odziv.yaml:2:51: concurrency: "lots" is not a number from 1 to 10000`}},
		{"sid", `a: {channel: sms, driver: twilio, account_sid: SK1, auth_token: x, from: y}`, []string{`odziv.yaml:2:50: account_sid: "SK1" is not an account SID: it begins with AC`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkFaults(t, "senders:\n  "+tt.sender+"\n", tt.want)
		})
	}
}

func checkFaults(t *testing.T, text string, want []string) {
	t.Helper()
	path := newConfigFile(t, text)
	_, err := loadConfig(path, env(), configFlags{})
	if _, ok := errors.AsType[configError](err); !ok {
		t.Fatalf("error %v, want a configError", err)
	}
	got := strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes: -want +got\n%s", diff)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is in the error: %v", err)
	}
}

func TestConfigRefusesEnvironmentAndFlags(t *testing.T) {
	t.Parallel()
	_, err := loadConfig(newConfigFile(t, ""), env("ODZIV_ROLES=x", "ODZIV_TRUSTED_PROXIES=127.0.0.1, x", "ODZIV_BOOTSTRAP_KEY=a b"), configFlags{PublicURL: "x"})
	want := `--public-url: is not an absolute address: write https://ask.example.hr, without user, query or #
ODZIV_ROLES: unknown role "x"; the roles are api, webhooks, worker, console
ODZIV_TRUSTED_PROXIES: "x" is neither an address nor a network: write 127.0.0.1 or 10.0.0.0/8
ODZIV_BOOTSTRAP_KEY: is no key: take odz_live_ or odz_test_ and 32 random letters and digits after it`
	if err == nil || err.Error() != want {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c := Config{DatabaseURL: "postgres://u:hunter2@h/d", Senders: []Sender{{AuthToken: "hunter2", URL: "smtp://u:hunter2@h"}}} //nolint:gosec // no secret
	var log strings.Builder
	l := slog.New(slog.NewJSONHandler(&log, nil))
	l.InfoContext(t.Context(), "x", "config", c, "secret", c.DatabaseURL)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	s := c.DatabaseURL
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, s, s, s, s) + fmt.Sprint(&c, s) + log.String() + string(encoded)
	if strings.Contains(all, "hunter2") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("a secret was printed: %s", all)
	}
	if string(s) != "postgres://u:hunter2@h/d" { //nolint:gosec // no secret
		t.Errorf("string(s) = %s", string(s))
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want time.Duration // negative = refused
	}{
		{"30s", 30 * time.Second},
		{"90d", 90 * 24 * time.Hour},
		{"1d12h", 36 * time.Hour},
		{"0s", 0},
		{"1.5h", 90 * time.Minute},
		{"-1h", -1},
		{"1h2d", -1},
		{"d", -1},
		{"", -1},
		{"5", -1},
		{"-1d", -1},
		{"1.5d", -1},
		{"40000d", -1},
		{"1d-1h", -1},
		{"2000000h", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseDuration(tt.name)
			if (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
				t.Errorf("parseDuration(%q) = %s, %v; want %s", tt.name, got, err, tt.want)
			}
		})
	}
}

func TestParseWindow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want string // "" = refused
	}{
		{"09:00-20:00", "09:00-20:00"},
		{"00:00 - 24:00", "00:00-24:00"},
		{"none", "none"},
		{"9-20", ""},
		{"20:00-09:00", ""},
		{"09:00-09:00", ""},
		{"09:00-24:01", ""},
		{"09:60-10:00", ""},
		{"+9:00-10:00", ""},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseWindow(tt.name)
			if (err != nil) != (tt.want == "") || err == nil && got.String() != tt.want {
				t.Errorf("parseWindow(%q) = %s, %v; want %q", tt.name, got, err, tt.want)
			}
		})
	}
}

func TestParsersAgreeWithTheirOutput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		to := rapid.IntRange(from+1, 24*60).Draw(t, "to")
		w := Window{time.Duration(from) * time.Minute, time.Duration(to) * time.Minute}
		if got, err := parseWindow(w.String()); err != nil || got != w {
			t.Fatalf("parseWindow(%s) = %s, %v", w, got, err)
		}
		d := time.Duration(rapid.Int64Range(0, int64(1000*day)).Draw(t, "duration"))
		if got, err := parseDuration(d.String()); err != nil || got != d {
			t.Fatalf("parseDuration(%s) = %s, %v", d, got, err)
		}
	})
}

func TestMeant(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want string }{
		{"cooldwon", "cooldown"},
		{"WINDOW", "window"},
		{"tst", "test"},
		{"something", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := ""
			if tt.want != "" {
				want = fmt.Sprintf("; did you mean %q?", tt.want)
			}
			if got := meant(tt.name, []string{"cooldown", "window", "test"}); got != want {
				t.Errorf("meant(%q) = %q, want %q", tt.name, got, want)
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(fullConfig)
	f.Add("senders: {a: {channel: [sms], rate: {x: y}}}\npolicy: &x {<<: *x}\n")
	f.Add("? [a]\n: !!binary |\n  eA==\n---\n...\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaultConfig()
		faults := parseConfig("odziv.yaml", []byte(text), env("A=b"), &c)
		for _, fault := range faults {
			if !strings.HasPrefix(fault.Place, "odziv.yaml") || fault.Text == "" {
				t.Errorf("a mistake without place or text: %+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		for _, s := range c.Senders {
			if s.Channel == "" || s.Driver == "" || s.Concurrency < 1 {
				t.Errorf("an incomplete sender was taken: %+v", s)
			}
		}
	})
}

func FuzzParseRate(f *testing.F) {
	f.Add("10/s")
	f.Add("100000/day")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := parseRate(s); err == nil && (r.N < 1 || r.Per < time.Second) {
			t.Errorf("parseRate(%q) = %+v", s, r)
		}
		if d, err := parseDuration(s); err == nil && (d < 0 || d > 2*longest) {
			t.Errorf("parseDuration(%q) = %s", s, d)
		}
		if w, err := parseWindow(s); err == nil && (w.From < 0 || w.To > day) {
			t.Errorf("parseWindow(%q) = %s", s, w)
		}
	})
}

// The phones of the sandbox are public: they are not served to the world by default.
func TestShowsSandbox(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, listen, public, sandbox string
		want                          bool
	}{
		{"this machine", "127.0.0.1:8080", "", "auto", true},
		{"this machine by name", "localhost:8080", "", "auto", true},
		{"this machine, which says so", "127.0.0.1:8080", "http://127.0.0.1:8080", "auto", true},
		{"this machine, which says so by name", "127.0.0.1:8080", "http://localhost:8080", "auto", true},
		{"this machine, which says so in IPv6", "[::1]:8080", "http://[::1]:8080", "auto", true},
		{"behind a proxy", "127.0.0.1:8080", "https://ask.example.hr", "auto", false},
		{"behind a proxy, by address", "127.0.0.1:8080", "https://192.0.2.1", "auto", false},
		{"behind a proxy of a deceptive name", "127.0.0.1:8080", "https://localhost.example.hr", "auto", false},
		{"behind a proxy, wanted", "127.0.0.1:8080", "https://ask.example.hr", "on", true},
		{"everybody", "0.0.0.0:8080", "", "auto", false},
		{"everybody, short", ":8080", "", "auto", false},
		{"everybody, whatever public_url says", ":8080", "http://localhost:8080", "auto", false},
		{"everybody, wanted", ":8080", "", "on", true},
		{"this machine, unwanted", "127.0.0.1:8080", "", "off", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Config{Listen: tt.listen, PublicURL: tt.public, Sandbox: tt.sandbox}).showsSandbox(); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}

// Every driver that the configuration takes can be made.
func TestEveryDriverIsWired(t *testing.T) {
	t.Parallel()
	g := &gateway{log: slog.New(slog.DiscardHandler)}
	for name, d := range drivers() {
		via, err := g.driver(Sender{
			Name: "x", Channel: d.channels[0], Driver: name, URL: "smtp://127.0.0.1:25?tls=none", From: "a@example.hr", AccountSID: "AC1", AuthToken: "t",
			APIKey: "k", SenderName: "Lipa", Concurrency: 1,
		})
		if err != nil || via == nil {
			t.Errorf("driver %s: %v", name, err)
		}
	}
}

func TestConfigOfRetriesAndPrices(t *testing.T) {
	t.Parallel()
	load := func(sender string) (Config, error) {
		var c Config
		text := "senders:\n  a: {channel: sms, driver: sandbox, " + sender + "}\ndispatch: {look_up: 30s, uncertain_grace: 2h}\n"
		if faults := parseConfig("odziv.yaml", []byte(text), func(string) string { return "" }, &c); len(faults) > 0 {
			return c, faults
		}
		return c, nil
	}
	c, err := load(`rate: ["30 segments/s", "1000/day"], retry: {attempts: 3, max_age: 6h}, price: {currency: EUR, default: 0.05, "+385": 0.0375}`)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Senders[0]
	want := []Rate{{N: 30, Per: time.Second, Segments: true}, {N: 1000, Per: 24 * time.Hour}}
	if diff := cmp.Diff(want, s.Rate); diff != "" {
		t.Error(diff)
	}
	if s.Retry.Tries != 3 || s.Retry.Age != 6*time.Hour || s.Price.Price("+38591", 2) != "0.075" || s.Price.Price("+48", 1) != "0.05" {
		t.Errorf("retry %+v, price %+v", s.Retry, s.Price)
	}
	if c.Dispatch.LookUp != 30*time.Second || c.Dispatch.Grace != 2*time.Hour {
		t.Errorf("dispatch %+v", c.Dispatch)
	}
	other := s
	other.AuthToken = "changed"
	if s.fingerprint() == other.fingerprint() {
		t.Error("another token, and the same fingerprint")
	}
	for name, bad := range map[string]string{
		"unknown key":  `price: {currency: EUR, hr: 0.05}`,
		"no currency":  `price: {default: 0.05}`,
		"no amount":    `price: {currency: EUR, default: cheap}`,
		"no attempt":   `retry: {attempts: 0}`,
		"short age":    `retry: {max_age: 1s}`,
		"unknown unit": `rate: ["30 letters/s"]`,
	} {
		if _, err := load(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := load(`rate: ["30 segments/s"]`); err != nil {
		t.Error(err)
	}
}
