# frozen_string_literal: true

require "action_controller/railtie"
require "sidekiq"
require "sidekiq/api"

# The whole application: a page, and a job.
class Application < Rails::Application
  config.load_defaults 7.2
  config.eager_load = true
  config.logger = ActiveSupport::Logger.new($stdout, level: :warn)
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE") { SecureRandom.hex(32) }

  routes.append do
    get "/up", to: "rails/health#show"
    root to: "pages#show"
    resources :jobs, only: %i[create index]
  end
end

class PagesController < ActionController::Base
  def show
    @rows = Array.new(1000) { |number| { number:, name: SecureRandom.uuid, price: rand } }
    render inline: <<~PAGE
      <!doctype html><title>Prices</title>
      <table><% @rows.sort_by { |row| row[:price] }.each do |row| %>
        <tr><td><%= row[:number] %></td><td><%= row[:name] %></td><td><%= row[:price].round(2) %></td></tr>
      <% end %></table>
    PAGE
  end
end

class JobsController < ActionController::API
  def index
    render plain: Sidekiq::Queue.new.size.to_s
  end

  def create
    params.fetch(:count, 1).to_i.times { SortJob.perform_async }
    head :accepted
  end
end

# Holds some MiB of small objects, as a report or an export does.
class SortJob
  include Sidekiq::Job

  def perform
    rows = Array.new(20_000) { SecureRandom.hex(32) }
    JSON.parse(JSON.generate(rows.sort)).size
  end
end

Application.initialize!
