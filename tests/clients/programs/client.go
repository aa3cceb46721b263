// Go's client as it comes.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = time.Minute // by itself it would go on soon, as if it had been told to
	client := http.Client{Transport: transport}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range strings.Split(string(input), "\n") {
		if err := exchange(&client, strings.Split(line, "\t")); err != nil {
			log.Fatal(err)
		}
	}
}

func exchange(client *http.Client, fields []string) error {
	var body io.Reader
	if fields[2] != "" {
		body = strings.NewReader(fields[2])
	}
	request, err := http.NewRequest(fields[0], os.Args[1]+fields[1], body)
	if err != nil {
		return err
	}
	for _, header := range fields[3:] {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Transfer-Encoding" {
			request.ContentLength = -1
		} else {
			request.Header.Set(name, value)
		}
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	told := []string{fmt.Sprint(answer.StatusCode), string(content)}
	for name, values := range answer.Header {
		for _, value := range values {
			told = append(told, strings.ToLower(name)+": "+value)
		}
	}
	fmt.Println(strings.Join(told, "\t"))
	return nil
}
