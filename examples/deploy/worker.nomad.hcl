# Workers that run all the time, from the same image. Nomad starts them again.
job "worker" {
  type = "service"

  group "mail" {
    count = 2

    restart {
      attempts = 3
      interval = "10m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name = "worker-mail"

      check {
        type     = "script"
        task     = "worker"
        command  = "/worker"
        args     = ["status", "mail"]
        interval = "20s"
        timeout  = "5s"
      }
    }

    task "worker" {
      driver = "docker"
      user   = "10001:10001"

      # The `stop_timeout` of 20s, and 5s more. Then Nomad sends SIGKILL.
      kill_signal  = "SIGTERM"
      kill_timeout = "25s"

      config {
        image           = "registry.example/worker:0.1.0"
        args            = ["run", "mail"]
        readonly_rootfs = true
        cap_drop        = ["all"]

        # For the pidfile, the only file that is written.
        mount {
          type   = "tmpfs"
          target = "/run/worker"

          tmpfs_options {
            size = 1048576
          }
        }
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
