package generate

import "fmt"

// product is one thing that the shop sells, as its number says.
type product struct {
	id       int64
	sku      string
	name     string
	category string
	price    int64 // cents
	grams    int64 // 0 where nobody weighed it
	listed   int64 // days since 1970
	tags     []string
}

// A category has a price range and things in the languages of its suppliers.
type category struct {
	name      string
	low, high int64 // cents
	things    []string
}

// The words reach golden tests: add at the end only.
var (
	categories = []category{
		{"kitchen", 299, 8900, []string{"teapot", "Teekanne", "théière", "急須", "чайник", "mug", "espresso cup", "salad bowl", "Käsehobel"}},
		{"garden", 450, 24900, []string{"watering can", "Gießkanne", "arrosoir", "bird table", "lantern", "φανάρι", "hammock", "trädgårdssax"}},
		{"toys", 199, 5900, []string{"wooden train", "матрёшка", "こけし", "kite", "Drachen", "puzzle, 1,000 pieces", "spinning top"}},
		{"stationery", 99, 3900, []string{"notebook", "Füller", "carnet", "手帳", "pencil case", "ink \"midnight\"", "wrapping paper"}},
		{"textiles", 990, 15900, []string{"wool throw", "Decke", "édredon", "座布団", "linen apron", "poncho", "tea towel"}},
		{"light", 590, 18900, []string{"heart t-light holder", "Kerzenständer", "bougeoir", "提灯", "string lights", "lámpara de mesa"}},
		{"food", 149, 4900, []string{"black tea", "Honig", "piment d'Espelette", "抹茶", "ελαιόλαδο", "شاي", "chocolate 🍫"}},
	}
	colours = []string{"red", "blau", "vert", "白", "черный", "oak", "Überraschung", "día y noche", "silver", "ÅÄÖ"}
	makers  = []string{"Nordlicht", "Maison Éclair", "松本", "Tarn & Daughters", "O'Neill", "Dvořák", "Πέτρα"}
	tags    = []string{"gift", "handmade", "new", "sale", "organic", "second hand", "été"}
)

// priced returns a product's category and price, and the random numbers that
// the rest of it is made of. Order lines ask for no more.
func (s *shop) priced(id int64) (random, *category, int64) {
	r := randomOf(s.seed, kindProduct, id)
	c := &categories[r.skewed(int64(len(categories)), 1)]
	price := c.low + r.skewed(c.high-c.low, 9)
	return r, c, price/10*10 + 9 // no price ends in another digit
}

// product returns the product with a number from 1.
func (s *shop) product(id int64) product {
	r, c, price := s.priced(id)
	p := product{
		id:       id,
		category: c.name,
		price:    price,
		name:     fmt.Sprintf("%s %s, %s", pick(&r, makers), pick(&r, c.things), pick(&r, colours)),
		listed:   (opening-r.below(1500*day))/day + 1,
	}
	p.sku = fmt.Sprintf("%c%c-%05d", 'A'+rune(r.below(26)), 'A'+rune(r.below(26)), id)
	if !r.chance(60) {
		p.grams = 20 + r.skewed(20_000, 8)
	}
	for _, tag := range tags {
		if r.chance(180) {
			p.tags = append(p.tags, tag)
		}
	}
	return p
}
