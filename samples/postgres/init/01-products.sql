create table product (
    id serial primary key,
    name text not null unique,
    price numeric(8, 2) not null check (price >= 0)
);
insert into product (name, price) values ('rope', 12.50), ('anchor', 199.00), ('oar', 35.00);
