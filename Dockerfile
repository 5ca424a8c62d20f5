# One static binary on busybox, which gives the health check its wget; it runs as nobody.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/odziv ./cmd/odziv && mkdir /out/data

FROM busybox:1.37-musl
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/odziv /usr/local/bin/odziv
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV ODZIV_LISTEN=:8080 ODZIV_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/readyz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["odziv"]
CMD ["serve"]
