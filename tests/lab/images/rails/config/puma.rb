# frozen_string_literal: true

threads_count = Integer(ENV.fetch("RAILS_MAX_THREADS", 3))
threads threads_count, threads_count
workers Integer(ENV.fetch("WEB_CONCURRENCY", 0))
preload_app!
bind "tcp://0.0.0.0:3000"
