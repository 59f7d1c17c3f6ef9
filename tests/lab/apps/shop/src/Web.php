<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/** The pages and the JSON API. */
final class Web
{
    private const MAX_QUANTITY = 99;
    private const ROUTES = [
        '/' => ['GET' => 'home'],
        '/orders' => ['POST' => 'placeFromForm'],
        '/api/orders' => ['POST' => 'placeFromApi'],
        '/api/orders/{id}' => ['GET' => 'order'],
        '/api/report' => ['GET' => 'report', 'POST' => 'queueReport'],
        '/api/pictures' => ['POST' => 'takePicture'],
        '/api/whoami' => ['GET' => 'whoami'],
        '/health' => ['GET' => 'health'],
    ];

    public function __construct(private readonly Services $services)
    {
    }

    public function answer(string $method, string $path): void
    {
        header('Cache-Control: no-store');
        header("Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
        header('Referrer-Policy: same-origin');

        $route = preg_replace('#^/api/orders/\d{1,10}$#', '/api/orders/{id}', $path);
        $handlers = self::ROUTES[$route] ?? null;
        $handler = $handlers[$method === 'HEAD' ? 'GET' : $method] ?? null;
        try {
            match (true) {
                $handlers === null => throw new HttpError(404, 'There is nothing here.'),
                $handler === null => throw new HttpError(405, 'Use ' . array_key_first($handlers) . ' here.'),
                default => $this->$handler((int) basename($path)),
            };
        } catch (HttpError $error) {
            $this->refuse($path, $error->getCode(), $error->getMessage());
        } catch (\PDOException | \RedisException $error) {
            error_log("$method $path: {$error->getMessage()}");
            header('Retry-After: 5');
            $this->refuse($path, 503, 'The shop cannot reach its data. Please try again in a moment.');
        } catch (\Throwable $error) {
            error_log("$method $path: $error");
            $this->refuse($path, 500, 'Something went wrong in the shop.');
        }
    }

    private function home(): void
    {
        $catalogue = new Catalogue($this->services);
        $orders = new Orders($this->services->database());
        $schedule = new Schedule($this->services->database());
        $queue = new Queue($this->services->redis());
        $placed = (int) ($_GET['placed'] ?? 0);
        self::page(200, 'home', [
            'products' => $catalogue->products(),
            'cacheUse' => $catalogue->cacheUse(),
            'maxQuantity' => self::MAX_QUANTITY,
            'token' => (new FormToken($this->services))->issue(self::https()),
            'placed' => $placed > 0 ? $orders->find($placed) : null,
            'orders' => $orders->latest(20),
            'queueLength' => $queue->length(),
            'workerSeenSeconds' => $queue->workerSeenSeconds(),
            'lastTick' => $schedule->lastTick(),
            'dayTotals' => $schedule->dayTotals(),
        ]);
    }

    private function placeFromForm(): void
    {
        if (!(new FormToken($this->services))->holds($_POST['token'] ?? null)) {
            throw new HttpError(403, 'This form is too old, or your browser takes no cookies. Please order again from the shop\'s page.');
        }
        $id = $this->place($_POST);
        header("Location: /?placed=$id#orders", true, 303);
    }

    /** A page of another site cannot send this content type without asking first, so no token is needed here. */
    private function placeFromApi(): void
    {
        if (!str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/json')) {
            throw new HttpError(415, 'Send the order as application/json.');
        }
        $input = json_decode((string) file_get_contents('php://input'), true);
        if (!is_array($input)) {
            throw new HttpError(400, 'The order is not a JSON object.');
        }
        $id = $this->place($input);
        header('Location: ' . rtrim(Config::get('APP_URL', ''), '/') . "/api/orders/$id");
        self::json(201, ['id' => $id, 'status' => 'queued']);
    }

    private function order(int $id): void
    {
        self::json(200, (new Orders($this->services->database()))->find($id) ?? throw new HttpError(404, "There is no order $id."));
    }

    private function report(): void
    {
        self::json(200, Report::wanted($_GET)->make(new Orders($this->services->database())));
    }

    /** For a report that is too heavy to wait for: a worker makes it. */
    private function queueReport(): void
    {
        (new Queue($this->services->redis()))->pushReport(Report::wanted($_GET)->toJson());
        self::json(202, ['status' => 'queued']);
    }

    /** A picture of a product, as a form with a file. The shop has no disk of its own to keep it on. */
    private function takePicture(): void
    {
        $file = $_FILES['file'] ?? null;
        if (!is_string($file['tmp_name'] ?? null) || $file['error'] !== UPLOAD_ERR_OK) {
            throw new HttpError(422, 'Send the picture as file, in a form.');
        }
        self::json(201, ['bytes' => $file['size']]);
    }

    /** Who answered, and whom: what the shop sees of the way to it. */
    private function whoami(): void
    {
        self::json(200, [
            'host' => gethostname(),
            'release' => Config::get('APP_VERSION', 'dev'),
            'client_ip' => $_SERVER['REMOTE_ADDR'],
            'https' => self::https(),
        ]);
    }

    /** Only the database and Redis decide: without a worker or a scheduler the shop still takes orders. */
    private function health(): void
    {
        $tick = $seen = null;
        $checks = [
            'database' => self::check(function () use (&$tick): void {
                $tick = (new Schedule($this->services->database()))->lastTick();
            }),
            'redis' => self::check(function () use (&$seen): void {
                $seen = (new Queue($this->services->redis()))->workerSeenSeconds();
            }),
        ];
        $healthy = !in_array('failing', $checks, true);
        self::json($healthy ? 200 : 503, [
            'status' => $healthy ? 'ok' : 'failing',
            'checks' => $checks + [
                'worker_seen_seconds' => $seen,
                'scheduler_seen_seconds' => $tick['seconds_ago'] ?? null,
            ],
        ]);
    }

    /** The id of the order in $input; the error says what is wrong with it. */
    private function place(array $input): int
    {
        $product = $input['product'] ?? null;
        $quantity = filter_var($input['quantity'] ?? null, FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => self::MAX_QUANTITY]]);
        if ($quantity === false) {
            throw new HttpError(422, 'quantity must be a whole number from 1 to ' . self::MAX_QUANTITY . '.');
        }
        if (!is_string($product) || !preg_match('/^[a-z0-9-]{1,32}$/D', $product)) {
            throw new HttpError(422, 'product must be the short name of a product.');
        }
        $id = (new Orders($this->services->database()))->place($product, $quantity);
        if ($id === null) {
            throw new HttpError(422, "There is no product $product.");
        }
        try {
            (new Queue($this->services->redis()))->push($id);
        } catch (\RedisException $error) {
            // The order is safe in the database, and the scheduler queues it when Redis is back.
            error_log("Order $id is not queued: {$error->getMessage()}");
        }
        return $id;
    }

    private static function check(callable $attempt): string
    {
        try {
            $attempt();
            return 'ok';
        } catch (\PDOException | \RedisException $error) {
            error_log("health: {$error->getMessage()}");
            return 'failing';
        }
    }

    private static function https(): bool
    {
        return ($_SERVER['HTTPS'] ?? '') === 'on' || ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';
    }

    private function refuse(string $path, int $status, string $message): void
    {
        if (str_starts_with($path, '/api/')) {
            self::json($status, ['error' => $message]);
        } else {
            self::page($status, 'error', ['message' => $message]);
        }
    }

    private static function json(int $status, array $body): void
    {
        http_response_code($status);
        header('Content-Type: application/json');
        echo json_encode($body, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
    }

    /** $data become the template's variables, beside those of the frame. */
    private static function page(int $status, string $template, array $data): void
    {
        http_response_code($status);
        header('Content-Type: text/html; charset=utf-8');
        $data += ['shop' => Config::get('APP_NAME', 'Shop'), 'release' => Config::get('APP_VERSION', 'dev'), 'host' => gethostname()];
        (static function () use ($template, $data): void {
            extract($data);
            require __DIR__ . '/../templates/page.php';
        })();
    }
}
