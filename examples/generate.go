//go:build ignore

// This program writes orders.csv: 1,000 orders as a WooCommerce shop with customers in five countries exports them.
// 960 can be sent, 40 are broken, each in a way that exports are broken in. It writes the same bytes every time:
//
//	go run examples/generate.go > examples/orders.csv
//
// Nobody in it exists: mail addresses are under .example (RFC 2606), numbers lie in blocks of zeros.
package main

import (
	"encoding/csv"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// The columns, named as the exporters of WooCommerce name them; the last three are fields of plugins.
var columns = []string{
	"order_id", "order_number", "order_date", "status", "customer_id",
	"billing_first_name", "billing_last_name", "billing_company", "billing_email", "billing_phone",
	"billing_address_1", "billing_city", "billing_postcode", "billing_country",
	"shipping_method", "payment_method_title", "order_currency", "order_total", "customer_note",
	"store", "wpml_language", "viber_id",
}

// A name as its owner writes it, and in ASCII for mail addresses.
type name struct{ native, ascii string }

type country struct {
	code, currency string
	share          int // of 100 orders
	first, last    []name
	streets        []string
	cities         [][2]string // and postcode
	stores         []string
	phone          func(n int) string
	total          func(r *rand.Rand) string
}

func names(pairs ...string) (list []name) {
	for _, p := range pairs {
		native, ascii, _ := strings.Cut(p, "|")
		if ascii == "" {
			ascii = native
		}
		list = append(list, name{native, strings.ToLower(ascii)})
	}
	return list
}

func money(low, high int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprintf("%d.%02d", low+r.IntN(high-low), r.IntN(20)*5) }
}

func whole(low, high, step int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprint((low + r.IntN(high-low)) * step) }
}

// pick writes the n-th number of a country in one of the ways in which its people do.
func pick(n int, ways ...func(a, b int) string) string { return ways[n%len(ways)](n/100, n%100) }

var countries = []country{
	{
		code: "HR", currency: "EUR", share: 35,
		first:   names("Ana", "Ivan", "Marija", "Luka", "Petra", "Marko", "Ivana", "Josip", "Nikolina", "Tomislav", "Mia", "Željko|Zeljko", "Đurđica|Djurdjica", "Krešimir|Kresimir", "Lucija", "Ante"),
		last:    names("Kovač|Kovac", "Horvat", "Babić|Babic", "Marić|Maric", "Jurić|Juric", "Novak", "Vuković|Vukovic", "Knežević|Knezevic", "Šimić|Simic", "Perković|Perkovic", "Božić|Bozic", "Blažević|Blazevic"),
		streets: []string{"Cvjetna ulica", "Lipova ulica", "Ulica kralja Tomislava", "Vinogradska cesta", "Školska ulica"},
		cities:  [][2]string{{"Zagreb", "10000"}, {"Split", "21000"}, {"Rijeka", "51000"}, {"Osijek", "31000"}, {"Zadar", "23000"}, {"Šibenik", "22000"}},
		stores:  []string{"Zagreb-1", "Split-1"},
		phone: func(n int) string {
			return pick(n,
				func(a, b int) string { return fmt.Sprintf("091 000 %02d%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("095/000-%02d%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("+385 92 000 %02d%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("00385 99 000 %02d%02d", a, b) })
		},
		total: money(12, 340),
	},
	{
		code: "RS", currency: "RSD", share: 20,
		first:   names("Jovana", "Miloš|Milos", "Jelena", "Stefan", "Milica", "Nikola", "Dragana", "Aleksandar", "Teodora", "Đorđe|Djordje", "Snežana|Snezana", "Vuk"),
		last:    names("Jovanović|Jovanovic", "Petrović|Petrovic", "Nikolić|Nikolic", "Ilić|Ilic", "Đorđević|Djordjevic", "Pavlović|Pavlovic", "Stanković|Stankovic", "Živković|Zivkovic", "Lazić|Lazic", "Tasić|Tasic"),
		streets: []string{"Bulevar oslobođenja", "Njegoševa", "Cara Dušana", "Svetosavska", "Vojvode Stepe"},
		cities:  [][2]string{{"Beograd", "11000"}, {"Novi Sad", "21000"}, {"Niš", "18000"}, {"Kragujevac", "34000"}, {"Subotica", "24000"}},
		stores:  []string{"Beograd-1"},
		phone: func(n int) string {
			return pick(n,
				func(a, b int) string { return fmt.Sprintf("064 000 %02d%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("063/000-%02d-%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("+381 65 000 %02d%02d", a, b) })
		},
		total: whole(14, 400, 100),
	},
	{
		code: "SI", currency: "EUR", share: 15,
		first:   names("Nina", "Matej", "Maja", "Žiga|Ziga", "Tjaša|Tjasa", "Rok", "Špela|Spela", "Jan", "Urška|Urska", "Gregor", "Barbara", "Blaž|Blaz"),
		last:    names("Zupan", "Kranjc", "Potočnik|Potocnik", "Mlakar", "Hribar", "Golob", "Kos", "Vidmar", "Žagar|Zagar", "Korošec|Korosec"),
		streets: []string{"Slovenska cesta", "Cankarjeva ulica", "Trubarjeva cesta", "Prešernova ulica", "Pod hruško"},
		cities:  [][2]string{{"Ljubljana", "1000"}, {"Maribor", "2000"}, {"Celje", "3000"}, {"Koper", "6000"}, {"Kranj", "4000"}},
		stores:  []string{"Ljubljana-1"},
		phone: func(n int) string {
			return pick(n,
				func(a, b int) string { return fmt.Sprintf("040 00%02d %02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("031/00 %02d %02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("+386 41 00%02d %02d", a, b) })
		},
		total: money(15, 280),
	},
	{
		code: "PL", currency: "PLN", share: 18,
		first:   names("Agnieszka", "Paweł|Pawel", "Małgorzata|Malgorzata", "Piotr", "Łukasz|Lukasz", "Katarzyna", "Zofia", "Jakub", "Magdalena", "Grzegorz", "Żaneta|Zaneta", "Michał|Michal"),
		last:    names("Wiśniewska|Wisniewska", "Wójcik|Wojcik", "Kamiński|Kaminski", "Zając|Zajac", "Dąbrowska|Dabrowska", "Mazur", "Krawczyk", "Górska|Gorska", "Szymańska|Szymanska", "Wróbel|Wrobel"),
		streets: []string{"ul. Kwiatowa", "ul. Lipowa", "ul. Słoneczna", "al. Wojska Polskiego", "ul. Mickiewicza"},
		cities:  [][2]string{{"Warszawa", "00-001"}, {"Kraków", "30-001"}, {"Łódź", "90-001"}, {"Wrocław", "50-001"}, {"Gdańsk", "80-001"}},
		stores:  []string{"Warszawa-1", "Kraków-1"},
		phone: func(n int) string {
			return pick(n,
				func(a, b int) string { return fmt.Sprintf("500 00%d %d%02d", a/10, a%10, b) },
				func(a, b int) string { return fmt.Sprintf("60000%02d%02d", a, b) },
				func(a, b int) string { return fmt.Sprintf("+48 501-00%d-%d%02d", a/10, a%10, b) })
		},
		total: money(40, 900),
	},
	{
		code: "IR", currency: "IRR", share: 12,
		first:   names("مریم|Maryam", "علی|Ali", "زهرا|Zahra", "رضا|Reza", "سارا|Sara", "حسین|Hossein", "نرگس|Narges", "امیر|Amir", "لیلا|Leila", "بهرام|Bahram"),
		last:    names("محمدی|Mohammadi", "حسینی|Hosseini", "کریمی|Karimi", "رضایی|Rezaei", "احمدی|Ahmadi", "جعفری|Jafari", "موسوی|Mousavi", "نوری|Nouri"),
		streets: []string{"خیابان آزادی", "خیابان ولیعصر", "بلوار کشاورز", "خیابان حافظ"},
		cities:  [][2]string{{"تهران", "1100000001"}, {"اصفهان", "8100000001"}, {"شیراز", "7100000001"}, {"تبریز", "5100000001"}},
		stores:  []string{"Tehran-1"},
		phone: func(n int) string {
			return pick(n,
				func(a, b int) string { return persian(fmt.Sprintf("0912 000 %02d%02d", a, b)) },
				func(a, b int) string { return fmt.Sprintf("0935 000 %02d%02d", a, b) },
				func(a, b int) string { return persian(fmt.Sprintf("0910-000-%02d%02d", a, b)) })
		},
		total: whole(90, 3000, 10000),
	},
}

func persian(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c - '0' + '۰'
		}
		return c
	}, s)
}

// Some customers in Serbia write and read Cyrillic.
var cyrillic = map[string]string{
	"Jovana": "Јована", "Stefan": "Стефан", "Nikola": "Никола", "Jelena": "Јелена", "Milica": "Милица", "Vuk": "Вук",
	"Petrović": "Петровић", "Nikolić": "Николић", "Ilić": "Илић", "Lazić": "Лазић", "Tasić": "Тасић",
}

// notes are what customers write, with everything that CSV has to quote.
var notes = map[string][]string{
	"HR": {"Molim nazvati prije dostave.", "Treći kat, bez lifta; zvono \"Horvat\"", "Ostavite kod susjeda,\nhvala!"},
	"RS": {"Molim pozovite pre isporuke.", "Drugi sprat, interfon \"Lazić\""},
	"SI": {"Prosim, dostava po 16. uri", "Pustite pri sosedu,\nhvala!"},
	"PL": {"Proszę o fakturę", "Proszę zostawić u sąsiada,\ndziękuję!"},
	"IR": {"لطفاً قبل از ارسال تماس بگیرید", "زنگ «نوری»"},
}

func main() {
	r := rand.New(rand.NewPCG(2026, 11))
	out := csv.NewWriter(os.Stdout)
	if err := out.Write(columns); err != nil {
		log.Fatal(err)
	}
	broken := breaks()
	// every 25th order is broken, so that each part of the file has some
	for i := range 1000 {
		row := order(r, i)
		if i%25 != 24 {
			if err := out.Write(row); err != nil {
				log.Fatal(err)
			}
			continue
		}
		out.Flush()
		if _, err := os.Stdout.WriteString(broken[i/25](row)); err != nil {
			log.Fatal(err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		log.Fatal(err)
	}
}

func at(column string) int {
	for i, c := range columns {
		if c == column {
			return i
		}
	}
	panic(column)
}

func order(r *rand.Rand, i int) []string {
	c := countryOf(r.IntN(100))
	first, last := c.first[r.IntN(len(c.first))], c.last[r.IntN(len(c.last))]
	language := ""
	if x, y := cyrillic[first.native], cyrillic[last.native]; x != "" && y != "" {
		first.native, last.native, language = x, y, "sr-Cyrl"
	}
	city := c.cities[r.IntN(len(c.cities))]
	date := time.Date(2026, 10, 25, 8, 0, 0, 0, time.UTC).Add(time.Duration(i)*28*time.Minute + time.Duration(r.IntN(1600))*time.Second)
	email := fmt.Sprintf("%s.%s%d@posta.example", first.ascii, last.ascii, i+1)
	phone := c.phone(i)
	switch r.IntN(6) {
	case 0:
		email = ""
	case 1:
		phone = ""
	}
	row := map[string]string{
		"order_id": fmt.Sprint(40211 + 3*i), "order_number": fmt.Sprint(10001 + i), "order_date": date.Format(time.DateTime),
		"status": "completed", "customer_id": fmt.Sprint(r.IntN(2) * (700 + i)), // 0 is a guest

		"billing_first_name": first.native, "billing_last_name": last.native, "billing_email": email, "billing_phone": phone,
		"billing_address_1": fmt.Sprintf("%s %d", c.streets[r.IntN(len(c.streets))], 1+r.IntN(90)),
		"billing_city":      city[0], "billing_postcode": city[1], "billing_country": c.code,
		"shipping_method":      []string{"Flat rate", "Parcel locker", "Local pickup"}[r.IntN(3)],
		"payment_method_title": []string{"Credit card", "Cash on delivery", "Direct bank transfer"}[r.IntN(3)],
		"order_currency":       c.currency, "order_total": c.total(r),
		"store": c.stores[r.IntN(len(c.stores))], "wpml_language": language,
	}
	if c.code == "HR" && r.IntN(8) == 0 {
		row["billing_company"] = last.native + ` "Trgovina", d.o.o.`
	}
	if r.IntN(15) == 0 {
		row["customer_note"] = notes[c.code][r.IntN(len(notes[c.code]))]
	}
	if r.IntN(6) == 0 {
		row["viber_id"] = fmt.Sprintf("00000000000000000%05dA==", i+1)
	}
	fields := make([]string, len(columns))
	for j, name := range columns {
		fields[j] = row[name]
	}
	return fields
}

func countryOf(n int) country {
	for _, c := range countries {
		if n -= c.share; n < 0 {
			return c
		}
	}
	panic("shares do not add up to 100")
}

// breaks are the forty ways in which the broken lines are broken.
func breaks() []func([]string) string {
	var list []func([]string) string
	add := func(change func(row []string)) {
		list = append(list, func(row []string) string {
			change(row)
			return text(row)
		})
	}
	set := func(row []string, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			row[at(pairs[i])] = pairs[i+1]
		}
	}
	// nothing to write to
	for range 4 {
		add(func(row []string) { set(row, "billing_email", "", "billing_phone", "", "viber_id", "") })
	}
	// no number, so that nothing tells two lines of one order apart
	for range 4 {
		add(func(row []string) { set(row, "order_id", "", "order_number", "") })
	}
	for _, date := range []string{"11/18/2026", "2026-02-30 10:00:00", "0000-00-00 00:00:00", "jučer"} {
		add(func(row []string) { set(row, "order_date", date) })
	}
	for _, code := range []string{"QX", "ZZ", "Hrvatska", "H"} {
		add(func(row []string) { set(row, "billing_country", code) })
	}
	for _, phone := range []string{"nazvati poslije podne", "nema", "-", "brak"} {
		add(func(row []string) { set(row, "billing_phone", phone) })
	}
	for _, p := range [][2]string{{"HR", "091 12"}, {"RS", "064 1234"}, {"SI", "040 123 456 789"}, {"PL", "12 345"}, {"IR", "۰۹۱۲ ۳۴۵"}} {
		add(func(row []string) { set(row, "billing_country", p[0], "billing_phone", p[1]) })
	}
	for _, email := range []string{"ana.kovac.posta.example", "ana@", "@posta.example", "ana kovac@posta.example", "ana@posta", "ana@@posta.example"} {
		add(func(row []string) { set(row, "billing_email", email, "billing_phone", "") })
	}
	for _, p := range [][2]string{{"HR", "01 4000 123"}, {"PL", "22 600 00 12"}} {
		add(func(row []string) {
			set(row, "billing_country", p[0], "billing_phone", p[1], "billing_email", "", "viber_id", "")
		})
	}
	add(func(row []string) {
		set(row, "billing_country", "", "billing_phone", "091 000 9999", "billing_email", "")
	})
	return append(list,
		// an address with a comma that nobody quoted, a column that is missing, half a line
		func(row []string) string {
			return strings.Replace(plain(row), row[at("billing_city")], "stan 4, "+row[at("billing_city")], 1)
		},
		func(row []string) string { return plain(append(row[:3:3], row[4:]...)) },
		func(row []string) string { return plain(row[:9]) },
		// a quote that never closes, one within a value, and one with more after it
		func(row []string) string { set(row, "customer_note", `"zvono ne radi`); return plain(row) },
		func(row []string) string { set(row, "customer_note", `monitor 27" molim`); return plain(row) },
		func(row []string) string { set(row, "customer_note", `"hitno" molim`); return plain(row) },
	)
}

// text writes a row as CSV.
func text(row []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(row); err != nil {
		log.Fatal(err)
	}
	w.Flush()
	return b.String()
}

// plain writes a row without a quote of its own.
func plain(row []string) string {
	row = append([]string(nil), row...)
	for i, v := range row {
		if columns[min(i, len(columns)-1)] != "customer_note" {
			row[i] = strings.NewReplacer(`"`, "", ",", "", "\n", " ").Replace(v)
		}
	}
	return strings.Join(row, ",") + "\n"
}
