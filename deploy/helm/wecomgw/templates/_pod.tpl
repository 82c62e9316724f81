{{- /* The pod, the same for both kinds of workload. */ -}}
{{- define "wecomgw.pod" -}}
metadata:
  labels:
    {{- include "wecomgw.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed configuration rolls the pods.
    checksum/config: {{ .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "wecomgw.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # 8 s of accepting, 20 s for calls, and what the store needs: 35 s at most.
  terminationGracePeriodSeconds: 60
  securityContext:
    {{- include "wecomgw.podSecurity" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.store.engine "postgres" }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "wecomgw.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: wecomgw
      image: {{ include "wecomgw.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/wecomgw/config/wecomgw.toml]
      env:
        - name: WECOMGW_GRPC__LISTEN
          value: 0.0.0.0:50051
        - name: WECOMGW_HEALTH__LISTEN
          value: 0.0.0.0:8081
        - name: WECOMGW_ADMIN__LISTEN
          value: 0.0.0.0:9090
        - name: WECOMGW_WECOM__UPLOAD_DIR
          value: /var/tmp/wecomgw
        {{- if .Values.tls.enabled }}
        - name: WECOMGW_GRPC__TLS_CERT_FILE
          value: /etc/wecomgw/tls/tls.crt
        - name: WECOMGW_GRPC__TLS_KEY_FILE
          value: /etc/wecomgw/tls/tls.key
        {{- with .Values.tls.clientCaKey }}
        - name: WECOMGW_GRPC__CLIENT_CA_FILE
          value: /etc/wecomgw/tls/{{ . }}
        {{- end }}
        {{- end }}
        - name: WECOMGW_STORE__URL
          {{- if eq .Values.store.engine "postgres" }}
          # The address holds the password, so all of it is a secret.
          valueFrom:
            secretKeyRef:
              name: {{ .Values.store.postgres.secretName }}
              key: url
          {{- else }}
          value: sqlite:/var/lib/wecomgw/wecomgw.db
          {{- end }}
        {{- with .Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - name: grpc
          containerPort: 50051
        - name: health
          containerPort: 8081
        - name: metrics
          containerPort: 9090
      # The kubelet's gRPC prober speaks no TLS, hence the port of its own.
      startupProbe:
        grpc:
          port: 8081
          service: startup
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        grpc:
          port: 8081
          service: liveness
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      readinessProbe:
        grpc:
          port: 8081
          service: readiness
        periodSeconds: 5
        timeoutSeconds: 2
        failureThreshold: 2
      # No preStop hook: the process goes on accepting for 8 s by itself.
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "wecomgw.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/wecomgw/config
          readOnly: true
        - name: apps
          mountPath: /etc/wecomgw/apps
          readOnly: true
        - name: callers
          mountPath: /etc/wecomgw/callers
          readOnly: true
        - name: session
          mountPath: /etc/wecomgw/session
          readOnly: true
        {{- if .Values.tls.enabled }}
        - name: tls
          mountPath: /etc/wecomgw/tls
          readOnly: true
        {{- end }}
        - name: tmp
          mountPath: /tmp
        - name: uploads
          mountPath: /var/tmp/wecomgw
        {{- if eq .Values.store.engine "sqlite" }}
        - name: data
          mountPath: /var/lib/wecomgw
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "wecomgw.name" . }}-config
        defaultMode: 0440
    # Whole directories and no subPath, so that a new secret reaches a running pod.
    - name: apps
      secret:
        secretName: {{ .Values.secrets.apps }}
        defaultMode: 0440
    - name: callers
      secret:
        secretName: {{ .Values.secrets.callers }}
        defaultMode: 0440
    # Only where people log in.
    - name: session
      secret:
        secretName: {{ .Values.secrets.session }}
        defaultMode: 0440
        optional: true
    {{- if .Values.tls.enabled }}
    - name: tls
      secret:
        secretName: {{ .Values.tls.secretName }}
        defaultMode: 0440
    {{- end }}
    - name: tmp
      emptyDir:
        medium: Memory
        sizeLimit: 16Mi
    # 64 uploads at once of 20 MiB are 1280 MiB.
    - name: uploads
      emptyDir:
        sizeLimit: 1536Mi
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}
