package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones of brands and recipients, also in an image that has none

	"github.com/odziv/odziv/survey"
)

// streams is the world as a command sees it.
type streams struct {
	Out, Err io.Writer
	In       io.Reader
	Getenv   func(string) string
}

// A Config is everything that an operator can say. loadConfig gives one in which every value is checked.
type Config struct {
	Listen       string // host:port
	PublicURL    string // without a slash at its end; "" = http:// and Listen
	DataDir      string
	DatabaseURL  Secret // postgres://; "" = SQLite in DataDir
	RedisURL     Secret // redis:// or rediss://; "" = in process
	BootstrapKey Secret // "" = none; never in the file
	LogLevel     slog.Level
	Sandbox      string   // auto, on or off
	Roles        []string // of roleNames; never empty
	Senders      []Sender // in the order of the file: the first of a channel is its default
	Policy       Policy
	Brand        Brand
	Dispatch     Dispatch
	Triggers     []survey.Trigger // in the order of the file, in which they fire
	Shops        []Shop

	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; empty = nobody's
}

// Role reports whether this process does the work of that name.
func (c Config) Role(name string) bool {
	return slices.Contains(c.Roles, name)
}

// showsSandbox reports whether the sandbox phones are served: whoever reaches them reads and answers all test messages.
// A public_url elsewhere says that a proxy lets the world in.
func (c Config) showsSandbox() bool {
	if c.Sandbox != "auto" {
		return c.Sandbox == "on"
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !loopback(host) {
		return false
	}
	public, err := url.Parse(c.PublicURL)
	return c.PublicURL == "" || err == nil && loopback(public.Hostname())
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A Sender is a configured channel identity. Which fields are set depends on the driver.
type Sender struct {
	Name        string // lower case letters, digits, - and _
	Channel     survey.Channel
	Driver      string // smtp, twilio, viber-bot or sandbox
	URL         Secret // smtp://user:password@host:port?tls=none|starttls|implicit
	From        string // smtp: an RFC 5322 mailbox; twilio: E.164, a messaging service or a name
	ReplyTo     string
	DKIM        DKIM
	BaseURL     string // another host for an HTTP driver, without a slash at its end; "" = the provider's
	AccountSID  string
	AuthToken   Secret
	APIKey      Secret
	SenderName  string // viber-bot: the name on the phone
	Rate        []Rate // all hold at once; empty = no limit
	Concurrency int    // messages under way at one time, at least 1
	Retry       survey.Retry
	Price       survey.Tariff
}

// fingerprint changes with the configuration of a sender, and tells nothing of it.
func (s Sender) fingerprint() string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%+v|%q|%q|%q", s, string(s.URL), string(s.AuthToken), string(s.APIKey))
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// A DKIM is the signing identity of a mail sender. The zero value does not sign.
type DKIM struct{ Domain, Selector, KeyFile string }

// A Rate allows N messages, or segments of SMS, within any window of Per.
type Rate struct {
	N        int
	Per      time.Duration
	Segments bool
}

// A Brand is who asks.
type Brand struct {
	Name     string
	Color    string // #rrggbb; "" = the standard look
	Address  string // postal, for the foot of mail
	Timezone string // IANA; of recipients whose own is not known
}

// Dispatch is the pace of the queue.
type Dispatch struct {
	Lease time.Duration // after it, work that was taken and not recorded is looked at again
	Poll  time.Duration // between two looks at the backlog when nothing wakes the feeder
	Drain time.Duration // for work under way at shutdown
	// Of an attempt whose result is not known: when its provider is first asked about it, and when its send is closed.
	LookUp, Grace time.Duration
}

// A Secret is never printed: every verb of fmt, slog and JSON shows stars, or nothing when it is empty.
// string(s) is the value.
type Secret string

// Format redacts.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.redacted()) }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.redacted()) }

// MarshalText redacts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.redacted()), nil } //nolint:unparam // encoding.TextMarshaler

func (s Secret) redacted() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Names of work that one process can do.
const (
	roleAPI      = "api"
	roleWebhooks = "webhooks"
	roleWorker   = "worker"
	roleConsole  = "console"
)

func roleNames() []string { return []string{roleAPI, roleWebhooks, roleWorker, roleConsole} }

const defaultConfigFile = "odziv.yaml"

func defaultConfig() Config {
	return Config{
		Listen:   "127.0.0.1:8080",
		DataDir:  "./data",
		LogLevel: slog.LevelInfo,
		Sandbox:  "auto",
		Roles:    roleNames(),
		Policy:   defaultPolicy(),
		Brand:    Brand{Name: "Odziv", Timezone: "UTC"},
		Dispatch: Dispatch{Lease: time.Minute, Poll: 250 * time.Millisecond, Drain: 30 * time.Second},
	}
}

// configFlags are the settings that every command with a store takes. A flag wins over the environment, which
// wins over the file.
type configFlags struct {
	Config      string `help:"Configuration file. Default: odziv.yaml when it is there (ODZIV_CONFIG)." placeholder:"FILE"`
	Listen      string `help:"Address to serve HTTP on (ODZIV_LISTEN)." placeholder:"HOST:PORT"`
	PublicURL   string `name:"public-url" help:"How the world reaches this gateway (ODZIV_PUBLIC_URL)." placeholder:"URL"`
	DataDir     string `help:"Folder of the embedded parts (ODZIV_DATA_DIR)." placeholder:"DIR"`
	DatabaseURL string `name:"database-url" help:"PostgreSQL instead of SQLite; better given as ODZIV_DATABASE_URL." placeholder:"URL"`
	RedisURL    string `name:"redis-url" help:"Redis instead of the one in process; better given as ODZIV_REDIS_URL." placeholder:"URL"`
	LogLevel    string `help:"debug, info, warn or error (ODZIV_LOG_LEVEL)." placeholder:"LEVEL"`
	Sandbox     string `help:"The page of the sandbox phones: auto (when listening on this machine only, with a public-url of it or none), on or off (ODZIV_SANDBOX)." placeholder:"WHEN"`
	Roles       string `help:"What this process does: api, webhooks, worker, console (ODZIV_ROLES)." placeholder:"LIST"`

	TrustedProxies string `help:"Addresses or networks of the proxies in front, whose X-Forwarded-For is believed (ODZIV_TRUSTED_PROXIES)." placeholder:"LIST"`
}

func (f configFlags) load(getenv func(string) string) (Config, error) {
	return loadConfig(f.Config, getenv, f)
}

// A configFault is one mistake and where it is: file:line:column, a variable or a flag.
type configFault struct{ Place, Text string }

// A configError lists every mistake of a configuration at once. It is never empty.
type configError []configFault

func (e configError) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Place + ": " + f.Text
	}
	return strings.Join(lines, "\n")
}

// loadConfig reads the file at path, then the environment, then the flags. An empty path is ODZIV_CONFIG, or
// odziv.yaml if there is one. The error is a configError unless the file cannot be read.
func loadConfig(path string, getenv func(string) string, flags configFlags) (Config, error) {
	c := defaultConfig()
	var faults configError
	if path == "" {
		path = getenv("ODZIV_CONFIG")
	}
	text, err := readConfigFile(path)
	if err != nil {
		return Config{}, err
	}
	if path == "" {
		path = defaultConfigFile
	}
	faults = append(faults, parseConfig(path, text, getenv, &c)...)
	for _, s := range settings() {
		if v := getenv(s.env()); v != "" {
			if err := s.set(&c, v); err != nil {
				faults = append(faults, configFault{s.env(), err.Error()})
			}
		}
		if v := s.flag(flags); v != "" {
			if err := s.set(&c, v); err != nil {
				faults = append(faults, configFault{"--" + strings.ReplaceAll(s.key, "_", "-"), err.Error()})
			}
		}
	}
	if key := getenv("ODZIV_BOOTSTRAP_KEY"); key != "" {
		c.BootstrapKey = Secret(key)
		if len(key) < 24 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			faults = append(faults, configFault{"ODZIV_BOOTSTRAP_KEY", "is no key: take odz_live_ or odz_test_ and 32 random letters and digits after it"})
		}
	}
	if len(faults) > 0 {
		return Config{}, faults
	}
	return c, nil
}

// readConfigFile reads the file at path; without a path it reads odziv.yaml, which may be missing.
func readConfigFile(path string) ([]byte, error) {
	const most = 1 << 20
	name := path
	if name == "" {
		name = defaultConfigFile
	}
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > most {
		return nil, fmt.Errorf("read the configuration: %s is larger than 1 MiB", name)
	}
	return text, nil
}

// A setting is a value that the file, the environment and a flag can give.
type setting struct {
	key  string
	flag func(configFlags) string
	set  func(*Config, string) error
}

func (s setting) env() string { return "ODZIV_" + strings.ToUpper(s.key) }

func settings() []setting {
	return []setting{
		{"listen", func(f configFlags) string { return f.Listen }, func(c *Config, v string) error {
			c.Listen = v
			return checkListen(v)
		}},
		{"public_url", func(f configFlags) string { return f.PublicURL }, func(c *Config, v string) (err error) {
			c.PublicURL, err = parseBaseURL(v)
			return err
		}},
		{"data_dir", func(f configFlags) string { return f.DataDir }, func(c *Config, v string) error {
			c.DataDir = v
			return nil
		}},
		{"database_url", func(f configFlags) string { return f.DatabaseURL }, func(c *Config, v string) error {
			c.DatabaseURL = Secret(v)
			return checkDatabaseURL(v)
		}},
		{"redis_url", func(f configFlags) string { return f.RedisURL }, func(c *Config, v string) error {
			c.RedisURL = Secret(v)
			return checkRedisURL(v)
		}},
		{"log_level", func(f configFlags) string { return f.LogLevel }, func(c *Config, v string) (err error) {
			c.LogLevel, err = parseLevel(v)
			return err
		}},
		{"sandbox", func(f configFlags) string { return f.Sandbox }, func(c *Config, v string) error {
			c.Sandbox = v
			if v != "auto" && v != "on" && v != "off" {
				return fmt.Errorf("%q is none of auto, on, off", v)
			}
			return nil
		}},
		{"roles", func(f configFlags) string { return f.Roles }, func(c *Config, v string) (err error) {
			c.Roles, err = parseRoles(strings.Split(v, ","))
			return err
		}},
		{"trusted_proxies", func(f configFlags) string { return f.TrustedProxies }, func(c *Config, v string) (err error) {
			c.TrustedProxies, err = parseProxies(v)
			return err
		}},
	}
}
